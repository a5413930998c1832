"""A bucket as a source: all objects under a prefix, or one of them."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.api.record_keys import Value
from chroma_sync.pipeline.body import MEMORY_MAX, size_of
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch.connector import Kept, Means, Opened, Outcome, Ref, Skipped
from chroma_sync.pipeline.fetch.s3.boto import Bucket, Listed
from chroma_sync.pipeline.fetch.s3.download import Download, TooLarge
from chroma_sync.pipeline.fetch.s3.failures import explained, of_object
from chroma_sync.pipeline.fetch.s3.place import Refused
from chroma_sync.pipeline.fetch.scope import OneKey, Prefix, Scope

T = TypeVar("T")
# A small object takes 50 ms or so from far away, and 2 ms of CPU here: so many at once keep a core
# busy, as far as one can.
LANES: Final = 32
OBJECT_MAX: Final = 200 * 1024 * 1024  # bytes; the hosted product's limit
_LARGE_AT_ONCE: Final = 2  # of those objects that are kept in a file
_FILES: Final = "object-"
_FILES_MAX: Final = 4  # of them on scratch, before another one is read
_TICK_SECONDS: Final = 0.1
# So many objects that are denied before any can be read are not to blame for it, if as many others
# are denied too: those of a run may all be in one folder, as what is unchanged is not opened.
_DENIED_MAX: Final = 20
# Objects of other storage classes may have to be restored first: only opening tells.
_MAY_BE_ARCHIVED: Final = frozenset({DocumentReason.ARCHIVED})
_PAGES_MAX: Final = 1_000_000  # of up to 1,000 objects
_ROUND: Final = "the server's listing of the bucket comes to no end."
_DENIED: Final = frozenset({DocumentReason.ACCESS_DENIED, DocumentReason.KMS_DENIED})


class S3Connector:
    """The objects whose keys begin with `prefix`, or the one with this `key`.

    Each gets the `metadata`, and the one object the id of its own if it has one. Their version is
    the ETag, which the listing, HEAD and GET all give; ids of versions no listing
    of the present state has."""

    lanes = LANES

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        means: Means,
        *,
        key: str | None,
        own_id: str | None,
        metadata: Mapping[str, Value | None],
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._key = key
        self._own_id = own_id
        self._metadata = metadata
        self._stop = means.stop
        self._retries = means.retries
        self._scratch = means.scratch
        self._numbers = itertools.count()
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)
        self._any_listed = True
        self._some: list[str] = []  # keys from all over the list
        self._probing = threading.Lock()
        self._lock = threading.Lock()
        self._any_read = False
        self._denials = 0

    def resolve(self) -> str:
        """A bucket has no revisions: what stands in it now is read."""
        return ""

    def check(self) -> None:
        self._asked(partial(self._bucket.page, self._prefix, limit=1))

    def prepare(self, revision: str) -> None:
        """Nothing has to be brought here first."""

    def refs(self) -> Generator[Ref, None, None]:
        if self._key is not None:
            yield self._ref(self._asked(partial(self._bucket.head, self._key), self._key))
            return
        self._any_listed, self._some = False, []
        for n, listed in enumerate(self._listing()):
            # Whatever a server lists beside them: the prefix is a wall.
            if listed.key.startswith(self._prefix):
                self._any_listed = True
                self._sample(n, listed)
                yield self._ref(listed)

    def scope(self) -> Scope:
        return Prefix(self._prefix) if self._key is None else OneKey(self._key)

    def notes(self) -> Sequence[str]:
        if self._any_listed:
            return []
        where = f"whose key begins with {self._prefix!r}" if self._prefix else "in the bucket"
        return [f"{self._bucket.place.shown}: there is no object {where}: check spec.s3.pathPrefix"]

    def open(self, ref: Ref, known: str | None) -> Outcome:
        file = self._scratch / f"{_FILES}{next(self._numbers)}"
        download = Download(self._bucket, ref.key, OBJECT_MAX, self._stop, file)
        outcome: Outcome | None = None
        try:
            with self._turn(ref):
                found = self._retries.call(partial(self._read, ref, download))
            outcome = self._denied(found) if isinstance(found, Refused) else found
            return outcome
        finally:
            if not isinstance(outcome, Opened):
                download.discard()

    @contextmanager
    def _turn(self, ref: Ref) -> Iterator[None]:
        """Large objects are read by few at once, and only while few wait to be extracted: so
        scratch holds few of them."""
        if (ref.size or 0) <= MEMORY_MAX:
            yield
            return
        while not self._large.acquire(timeout=_TICK_SECONDS):
            self._stop.check()
        try:
            while sum(1 for _ in self._scratch.glob(f"{_FILES}*")) >= _FILES_MAX:
                self._stop.wait(_TICK_SECONDS)
                self._stop.check()
            yield
        finally:
            self._large.release()

    def close(self) -> None:
        """No child processes."""

    def _listing(self) -> Iterator[Listed]:
        token = last = None
        for _ in range(_PAGES_MAX):
            page = self._asked(partial(self._bucket.page, self._prefix, token))
            if page.objects and page.objects[-1].key == last:
                break
            yield from page.objects
            token, last = page.token, page.objects[-1].key if page.objects else last
            if token is None:
                return
            self._stop.check()
        raise Temporary(Reason.HOST_UNREACHABLE, f"{self._bucket.place.shown}: {_ROUND}")

    def _ref(self, listed: Listed) -> Ref:
        """An object as the pipeline knows it."""
        return Ref(
            *(listed.key, listed.etag, listed.size, _verdict(listed)),
            doubted=_MAY_BE_ARCHIVED if listed.storage_class else frozenset(),
            own_id=self._own_id,
            metadata=self._metadata,
        )

    def _sample(self, n: int, listed: Listed) -> None:
        """Keep some keys of the list, each with the same chance."""
        if len(self._some) < _DENIED_MAX:
            self._some.append(listed.key)
        elif (i := random.randrange(n + 1)) < _DENIED_MAX:  # noqa: S311 - not a secret
            self._some[i] = listed.key

    def _asked(self, action: Callable[[], T], key: str | None = None) -> T:
        """Ask the server, again and again if need be. Raises `StepError`."""

        def once() -> T:
            try:
                return action()
            except Refused as refused:
                raise explained(refused, self._bucket.place, key) from None

        return self._retries.call(once)

    def _read(self, ref: Ref, download: Download) -> Outcome | Refused:
        """What becomes of an object; the refusal where it is denied. Raises `StepError` when the
        server does not give it, and that is not for the object's sake."""
        try:
            body = download.run()
        except TooLarge:
            return Skipped(DocumentReason.TOO_LARGE)
        except Refused as refused:
            reason = of_object(refused)
            if reason is None:
                raise explained(refused, self._bucket.place) from None
            return refused if reason in _DENIED else Skipped(reason)
        with self._lock:
            self._any_read = True
        # What stands now is read: it may have been changed since it was listed.
        return Opened(replace(ref, version=download.etag, size=size_of(body)), body)

    def _denied(self, refused: Refused) -> Kept:
        """An object that is denied while others are not. Raises `StepError` when it is not for the
        object's sake, which waiting would not end."""
        with self._lock:
            self._denials += 1
            are_many = not self._any_read and self._denials >= _DENIED_MAX
        are_all = are_many and self._key is None and not self._finds_readable()
        reason, error = of_object(refused), explained(refused, self._bucket.place)
        if reason is None or are_all or self._key is not None:
            raise error
        return Kept(reason, str(error))

    def _finds_readable(self) -> bool:
        """Whether any of some objects can be read."""
        with self._probing:
            if not self._any_read and any(map(self._is_readable, self._some)):
                self._any_read = True
            return self._any_read  # another thread may have read one meanwhile

    def _is_readable(self, key: str) -> bool:
        self._stop.check()

        def once() -> bool:
            try:
                self._bucket.open(key).close()
            except Refused as refused:
                reason = of_object(refused)
                if reason is None:
                    raise explained(refused, self._bucket.place) from None
                return reason not in _DENIED
            return True

        return self._retries.call(once)


def _verdict(listed: Listed) -> DocumentReason | None:
    """Why an object is not even opened. Keys that end with `/` stand for folders, and are empty."""
    if listed.size == 0:
        return DocumentReason.EMPTY
    # A server that keeps objects as files may take these parts for other folders.
    if any(part in (".", "..") for part in listed.key.split("/")):
        return DocumentReason.INVALID_NAME
    return DocumentReason.TOO_LARGE if listed.size > OBJECT_MAX else None
