"""An object on its way here, over as many connections as it takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO, Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.body import MEMORY_MAX, Body
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch.s3.boto import Bucket
from chroma_sync.pipeline.fetch.s3.place import Broken, Refused
from chroma_sync.pipeline.queues import StopSignal

_PART: Final = 64 * 1024
_SECONDS: Final = 1800.0  # for one object, from its first byte to its last
# A connection that has brought this much was worth it: what is left is asked for at once.
_WORTH_IT: Final = 64 * 1024
_CHANGES_MAX: Final = 3
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "InvalidRange", "416"})


class TooLarge(Exception):
    """An object has more bytes than are read."""


class _OtherBytes(Exception):
    """A server gives bytes from the midst of an object that don't follow those that have come."""


class Download:
    """One object, of at most `limit` bytes. A try that fails may be gone on with by another; who
    gives up calls `discard`. `file` is where its bytes are put if they are many."""

    def __init__(self, bucket: Bucket, key: str, limit: int, stop: StopSignal, file: Path) -> None:
        self._bucket = bucket
        self._key = key
        self._limit = limit
        self._stop = stop
        self._give_up_at = time.monotonic() + _SECONDS
        self._changes = 0
        self._received = _Received(file)
        self.etag: str | None = None

    def run(self) -> Body:
        """The bytes of the object as it stood when its reading began: `etag` says in which version.
        Raises `TooLarge`, `Refused`, `StepError` and `Stopped`."""
        while True:
            begun = self._received.size
            try:
                self._read_rest()
                return self._received.body()
            except Broken as why:
                if self._received.size - begun < _WORTH_IT:
                    message = f"{self._bucket.place.shown}: the connection broke off: {why}."
                    raise Temporary(Reason.HOST_UNREACHABLE, message) from None
            except Refused as refused:
                if not self._received.size or refused.code not in _CHANGED:
                    raise
                self._begin_anew()
            except _OtherBytes:
                self._begin_anew()

    def discard(self) -> None:
        """It is not needed any more, as far as it has come."""
        self._received.clear()

    def _read_rest(self) -> None:
        received = self._received
        stream = self._bucket.open(self._key, received.size, self.etag)
        try:
            if stream.start != received.size or stream.etag != self.etag:
                if stream.start:  # not every server heeds If-Match
                    raise _OtherBytes
                received.clear()  # it is new, or the server begins at its first byte
            self.etag = stream.etag
            if stream.size > self._limit:
                raise TooLarge
            while part := stream.read(_PART):
                self._check()
                received.add(part)
                if received.size > self._limit:
                    raise TooLarge
        finally:
            stream.close()
        if received.size != stream.size:
            raise Broken("it brought another number of bytes than it said")

    def _begin_anew(self) -> None:
        """It was changed as it was read."""
        self._changes += 1
        if self._changes > _CHANGES_MAX:
            message = f"{self._bucket.place.shown}: {self._key!r} changes again and again."
            raise Temporary(Reason.HOST_UNREACHABLE, message)
        self._received.clear()
        self.etag = None

    def _check(self) -> None:
        self._stop.check()
        if time.monotonic() > self._give_up_at:
            message = f"{self._bucket.place.shown}: {self._key!r} was not read in {_SECONDS:.0f} s."
            raise Temporary(Reason.HOST_UNREACHABLE, message)


class _Received:
    """What has come of an object: in memory at first, in a file once it is much."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self._file is None and self.size > MEMORY_MAX:
            self._file = self._path.open("wb")
            self._file.write(self._memory)
            self._memory.clear()
        if self._file is None:
            self._memory += part
        else:
            self._file.write(part)

    def body(self) -> Body:
        """All of it."""
        if self._file is None:
            return bytes(self._memory)
        self._file.close()
        return self._path

    def clear(self) -> None:
        """Forget it."""
        self._memory.clear()
        self.size = 0
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)
