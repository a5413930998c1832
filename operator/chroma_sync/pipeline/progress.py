"""What a step has come to so far: the counts that stand in status and in the progress answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from chroma_sync.api.contract import FAILURES_MAX, NAME_MAX, NOTES_MAX, Result
from chroma_sync.api.invocation import ChunkCounts, CollectionStatus, DocumentCounts, Failure
from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.api.shown import json_line


class Progress:
    """Counts of one step, shared by its threads. `report` takes one line of JSON for each document
    that has its verdict: its key, the verdict, and why; `run` names the run in it, where several
    share a report."""

    def __init__(self, report: Callable[[str], None] = lambda _: None, run: str = "") -> None:
        self._report = report
        self._run = {"run": run} if run else {}
        self._lock = threading.Lock()
        self._documents: Counter[str] = Counter()
        self._chunks: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._bytes = 0
        self._failures: list[Failure] = []
        self._notes: list[str] = []
        self._waits: dict[Reason, str] = {}
        self.revision: str | None = None
        self.seal = ""
        self.collection: CollectionStatus | None = None

    def discovered(self) -> None:
        """One more document is part of the source."""
        self._count(self._documents, "discovered")

    def unchanged(self, document: str) -> None:
        """A document stands in the target already."""
        self._count(self._documents, "unchanged")
        self._verdict(document, "unchanged")

    def indexed(self, document: str, size: int, chunks: int, note: str | None) -> None:
        """A document of so many bytes was written whole, in so many chunks. `note`: why its syntax
        was given up, if it was."""
        with self._lock:
            self._documents["indexed"] += 1
            self._bytes += size
        said = {"reason": note} if note else {}
        self._verdict(document, "indexed", bytes=size, chunks=chunks, **said)

    def skipped(self, document: str, reason: DocumentReason) -> None:
        """A document is not indexed, on purpose."""
        with self._lock:
            self._documents["skipped"] += 1
            self._skipped[reason.value] += 1
        self._verdict(document, "skipped", reason=reason.value)

    def failed(self, document: str, reason: DocumentReason, message: str) -> None:
        """A document could not be indexed, and nothing of it stands."""
        with self._lock:
            self._failed[reason.value] += 1
        self._not_indexed("failed", document, reason, message)

    def kept(self, document: str, reason: DocumentReason, message: str) -> None:
        """A document is not indexed, and what stands of it from an earlier run stays."""
        self._not_indexed("kept", document, reason, message)

    def _not_indexed(
        self, verdict: str, document: str, reason: DocumentReason, message: str
    ) -> None:
        with self._lock:
            self._documents[verdict] += 1
            if len(self._failures) < FAILURES_MAX:
                failure = Failure(
                    document=document[:NAME_MAX], reason=reason.value, message=message[:NAME_MAX]
                )
                self._failures.append(failure)
        self._verdict(document, verdict, reason=reason.value, message=message)

    def removed(self, count: int, gone: Sequence[str]) -> None:
        """So many more documents went from the target. Those that are `gone` from the source have
        no other verdict."""
        self._count(self._documents, "removed", count)
        for document in gone:
            self._verdict(document, "removed")

    def chunks(self, kind: str, count: int) -> None:
        """So many more chunks were `produced`, `embedded`, `reused` or `written`."""
        self._count(self._chunks, kind, count)

    def note(self, notes: Iterable[str]) -> None:
        """Tell people something about the run as a whole. What is told already is not told twice,
        and of many notes only the first are kept."""
        with self._lock:
            new = [*self._notes, *(note[:NAME_MAX] for note in notes)]
            self._notes = list(dict.fromkeys(new))[:NOTES_MAX]

    def failed_by_reason(self) -> Counter[str]:
        """How many documents could not be indexed, by the reason, of which a result has no room."""
        with self._lock:
            return Counter(self._failed)

    def wrote(self) -> bool:
        """Whether any record was written."""
        with self._lock:
            return self._chunks["written"] > 0

    def waits(self, reason: Reason) -> Callable[[str], None]:
        """A function to tell of a server: the trouble while it is waited for, an empty text when it
        is back."""

        def tell(trouble: str) -> None:
            with self._lock:
                if trouble:
                    self._waits[reason] = trouble
                else:
                    self._waits.pop(reason, None)

        return tell

    def _verdict(self, document: str, verdict: str, **more: str | int) -> None:
        line = {**self._run, "document": document, "verdict": verdict, **more}
        self._report(json_line(line))

    def result(self, reason: str = "", message: str = "") -> Result:
        """A snapshot. While a server is waited for, that is its reason: of several, the one that
        is waited for the longest."""
        with self._lock:
            if not reason and not message and self._waits:
                reason, message = next(iter(self._waits.items()))
            return Result(
                reason=reason,
                message=message,
                revision=self.revision,
                seal=self.seal,
                documents=DocumentCounts(**self._documents),
                skipped=dict(self._skipped),
                chunks=ChunkCounts(**self._chunks),
                bytes=self._bytes,
                collection=self.collection,
                failures=list(self._failures),
                notes=list(self._notes),
            )

    def _count(self, counter: Counter[str], key: str, count: int = 1) -> None:
        with self._lock:
            counter[key] += count
