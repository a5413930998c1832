"""Writes in pieces that the server takes, and which record is to blame when it takes one not.

A record is to blame only if it is refused again right after a known-good write has passed by the
same route. Whatever else is refused is trouble, and is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.index.calls import Refused
from chroma_sync.pipeline.index.records import Record, record_id

# Of a piece, before JSON escapes anything. A server takes 40 MiB, a proxy before it may take less.
PIECE_BYTES: Final = 8 * 1024 * 1024
_BEYOND: Final = 9_999_999_999
# What finish looks at before it deletes.
_SCOPE_KEYS: Final = ("source", "document_key", "document_key_sha256")
_CONTROL_TEXT: Final = "A test whether the server takes writes. It goes when the run is finished."


@dataclass(frozen=True)
class RefusedRecord:
    """A record that the server does not take, and what it says of it."""

    record: Record
    why: str


class Writes:
    """Writes records. `send` raises `Refused` at once when they may be to blame for that they are
    not taken; `send_with_control` takes that for trouble, and waits. Used by one thread at a
    time."""

    def __init__(
        self,
        send: Callable[[Sequence[Record]], None],
        send_with_control: Callable[[Sequence[Record]], None],
    ) -> None:
        self._send = send
        self._send_with_waits = send_with_control
        self._piece_bytes = PIECE_BYTES
        self._taken: Record | None = None  # the last one that passed, for controls

    def put(self, records: Sequence[Record]) -> list[RefusedRecord]:
        """Write some records. Returns those that are to blame for that they are not written."""
        pieces = list(batches(records, self._piece_bytes, weight))
        refused = [one for piece in pieces for one in self._put(piece)]
        return [one for one in refused if self._is_to_blame(one.record)]

    def _put(self, piece: Sequence[Record]) -> list[RefusedRecord]:
        """Write a piece, in halves where it is refused. Returns the records that are refused by
        themselves."""
        try:
            self._send(piece)
        except Refused as error:
            if error.too_large:
                self._piece_bytes = max(1, sum(map(weight, piece)) // 2)
            if len(piece) == 1:
                return [RefusedRecord(piece[0], str(error))]
        else:
            self._taken = min(piece, key=weight)
            return []
        if self._taken is not None and not self._takes_control(piece[0]):
            self._send_with_waits(piece)
            return []
        middle = len(piece) // 2
        return [*self._put(piece[:middle]), *self._put(piece[middle:])]

    def _is_to_blame(self, record: Record) -> bool:
        if self._takes_control(record):
            return not self._takes(record)
        self._send_with_waits([record])
        return False

    def _takes_control(self, record: Record) -> bool:
        """Whether a known-good write passes by the same route as that of `record`."""
        control = self._taken or control_beside(record)
        return self._takes(replace(control, in_place=record.in_place))

    def _takes(self, record: Record) -> bool:
        try:
            self._send([record])
        except Refused:
            return False
        return True


def control_beside(record: Record) -> Record:
    """A record that no server has a reason to refuse, for when none has passed yet. It stands
    beyond the last chunk of the same document, as an old tail does, so finish deletes it."""
    base, _, _ = record.id.rpartition("-")
    metadata = {key: value for key, value in record.metadata.items() if key in _SCOPE_KEYS}
    return Record(record_id(base, _BEYOND), _CONTROL_TEXT, metadata, record.vector, False)


def weight(record: Record) -> int:
    """About how many bytes a record has in a request: text, metadata, and the vector in base64."""
    metadata = sum(len(key) + len(str(value)) for key, value in record.metadata.items())
    return len(record.text.encode()) + metadata + record.vector.nbytes * 4 // 3
