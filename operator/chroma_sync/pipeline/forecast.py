"""What a run would do, found out without writing anything to Chroma."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path, PurePosixPath
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.chunk import Chunk
from chroma_sync.pipeline.deletes import too_many_go
from chroma_sync.pipeline.document import Item
from chroma_sync.pipeline.existing import load_orphans, load_taken, load_target
from chroma_sync.pipeline.hash_set import HashSet
from chroma_sync.pipeline.index.claim import begun_revision
from chroma_sync.pipeline.index.existing_vectors import ExistingVectors
from chroma_sync.pipeline.listing import meet_all
from chroma_sync.pipeline.previous import reusable_previous, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.run import start
from chroma_sync.pipeline.stream import Stream
from chroma_sync.pipeline.toolbox import Toolbox

_LARGEST: Final = 10
_WOULD_END: Final = (
    f"It would end with {Reason.WOULD_REMOVE_TOO_MUCH.value}, and nothing would be deleted."
)


@dataclass
class Forecast:
    """What would become of the documents, and what it would take. `chunks` are written, and of
    them `texts` are embedded; the others take their vectors over: `types` counts them by language
    or by the ending of the file's name, and `largest` names the documents that have most of them.
    `skipped` and `failed` count by reason; `kept` would be one or the other too, but that is in
    doubt and they stand. `notes` are those of the source."""

    revision: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    texts: int = 0
    types: Counter[str] = field(default_factory=Counter)
    largest: list[tuple[int, str]] = field(default_factory=list)
    notes: Sequence[str] = ()
    refused: str = ""  # why the run would end before it removes anything


class Counting:
    """The end of a plan's stream: chunks are counted, and none is embedded or written."""

    def __init__(self, result: Forecast, scratch: Path) -> None:
        self._result = result
        self._texts = HashSet(scratch / "texts-counted.sqlite")

    def workers(self) -> Sequence[Callable[[], None]]:
        """None: to count takes no time."""
        return ()

    def put(self, item: Item) -> None:
        """Take a chunk into account."""
        result, key = self._result, item.document.key
        if item.chunk.n == 0:
            result.changed += item.replaces
            result.added += not item.replaces
            size = len(item.document.chunked), key
            result.largest = nlargest(_LARGEST, [*result.largest, size])
        result.chunks += 1
        result.types[_type_of(key, item.chunk)] += 1
        # In this order: a text that stands is not met for the first time.
        is_new = item.reusable is None and self._texts.is_new(bytes.fromhex(item.text_sha))
        result.texts += is_new

    def end(self) -> None:
        """All is counted by then."""

    def close(self) -> None:
        """Forget the texts."""
        self._texts.close()


def forecast(tools: Toolbox) -> Forecast:
    """Look at everything as a run would. Raises what the run would raise before its first write."""
    run = start(tools)
    target = tools.database.find(run.identity.collection)
    begun = None
    if target is not None:
        run.hold.check(target, run.claim)
        begun = begun_revision(run.hold, target.metadata, run.identity.uid)
    result = Forecast(begun or tools.connector.resolve())
    tools.connector.prepare(result.revision)
    previous = reusable_previous(run, settled_golden(run, tools.space, target))
    vectors = ExistingVectors(target, previous, run.configs.embedding, vectors=False)
    progress = Progress()
    with tools.ledger() as ledger:
        meet_all(tools, run.shard, ledger, progress)
        result.notes = tools.connector.notes()
        if target is not None:
            load_target(ledger, target, run.configs)
            load_taken(ledger, target, run.configs, tools.connector.scope())
        stages = tools.stages(ledger, target, vectors, run.configs, progress)
        Stream(stages, Counting(result, tools.scratch), tools.stop).run()
        if target is not None:
            load_orphans(ledger, target, tools.connector.scope(), run.configs)
        result.removed = ledger.removed()
    done = progress.result()
    result.unchanged, result.kept = done.documents.unchanged, done.documents.kept
    result.skipped, result.failed = Counter(done.skipped), progress.failed_by_reason()
    stand = result.added + result.changed + result.unchanged + result.kept + result.removed
    scope, removed = tools.connector.scope(), result.removed
    result.refused = too_many_go(tools.configuration, scope, removed, stand, _WOULD_END)
    return result


def _type_of(key: str, chunk: Chunk) -> str:
    return chunk.language or PurePosixPath(key).suffix or "no ending"
