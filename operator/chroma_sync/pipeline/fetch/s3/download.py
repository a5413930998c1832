"""An object on its way here, over as many connections as it takes."""

from __future__ import annotations

import time
from typing import Final

from chroma_sync.api.reasons import Reason
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


class Download:
    """One object, of at most `limit` bytes. A try that fails may be gone on with by another."""

    def __init__(self, bucket: Bucket, key: str, limit: int, stop: StopSignal) -> None:
        self._bucket = bucket
        self._key = key
        self._limit = limit
        self._stop = stop
        self._give_up_at = time.monotonic() + _SECONDS
        self._changes = 0
        self._data = bytearray()
        self.etag: str | None = None

    def run(self) -> bytes:
        """The bytes of the object as it stood when its reading began: `etag` says in which version.
        Raises `TooLarge`, `Refused`, `StepError` and `Stopped`."""
        while True:
            begun = len(self._data)
            try:
                self._read_rest()
                return bytes(self._data)
            except Broken as why:
                if len(self._data) - begun < _WORTH_IT:
                    message = f"{self._bucket.place.shown}: the connection broke off: {why}."
                    raise Temporary(Reason.HOST_UNREACHABLE, message) from None
            except Refused as refused:
                if not self._data or refused.code not in _CHANGED:
                    raise
                self._begin_anew()

    def _read_rest(self) -> None:
        stream = self._bucket.open(self._key, len(self._data), self.etag)
        try:
            if stream.start != len(self._data) or stream.etag != self.etag:
                self._data.clear()  # it is new, or the server begins at its first byte
            self.etag = stream.etag
            if stream.size > self._limit:
                raise TooLarge
            while part := stream.read(_PART):
                self._check()
                self._data += part
                if len(self._data) > self._limit:
                    raise TooLarge
        finally:
            stream.close()
        if len(self._data) != stream.size:
            raise Broken("it brought another number of bytes than it said")

    def _begin_anew(self) -> None:
        """It was changed as it was read."""
        self._changes += 1
        if self._changes > _CHANGES_MAX:
            message = f"{self._bucket.place.shown}: {self._key!r} changes again and again."
            raise Temporary(Reason.HOST_UNREACHABLE, message)
        self._data.clear()
        self.etag = None

    def _check(self) -> None:
        self._stop.check()
        if time.monotonic() > self._give_up_at:
            message = f"{self._bucket.place.shown}: {self._key!r} was not read in {_SECONDS:.0f} s."
            raise Temporary(Reason.HOST_UNREACHABLE, message)
