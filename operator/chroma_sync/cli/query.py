"""`chroma-sync query`: the best chunks of a collection for a question."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from chroma_sync.api.configuration import query_text
from chroma_sync.api.shown import visible
from chroma_sync.cli.outcome import UsageError, tell
from chroma_sync.cli.places import check_places, open_database, open_model, require_folder
from chroma_sync.pipeline.embed import EmbeddingRejected, Model, Space, embed_long
from chroma_sync.pipeline.index.chroma import Collection, Hit, text_metadata
from chroma_sync.pipeline.index.claim import is_being_updated, is_unfinished
from chroma_sync.pipeline.index.golden import golden_vectors
from chroma_sync.pipeline.index.records import Vector

_LINES_SHOWN = 6
_WIDTH = 110
_LIMIT_MAX = 300
_SAME_TEXT_MAX = 2
_TAB = "\t"
_LOCAL_TENANT = "default_tenant"


def query(arguments: argparse.Namespace) -> int:
    """Print the best chunks, the best first."""
    if not 1 <= arguments.limit <= _LIMIT_MAX:
        raise UsageError(f"--limit: must be from 1 to {_LIMIT_MAX}")
    if not arguments.text.strip():
        raise UsageError("TEXT: write a question")
    check_places(arguments)
    if not arguments.chroma and not arguments.path.is_dir():
        raise UsageError(
            f"--path: there is no folder {arguments.path}; run `chroma-sync run` first"
        )
    if not arguments.chroma and arguments.tenant != _LOCAL_TENANT:
        raise UsageError(
            f"--tenant: a Chroma in a folder has the tenant {_LOCAL_TENANT} only; "
            "leave it out, or name a server with --chroma"
        )
    require_folder(arguments)
    with ExitStack() as stack:
        database = open_database(arguments, arguments.database, arguments.tenant)
        stack.callback(database.close)
        collection = database.find(arguments.collection)
        if collection is None:
            raise UsageError(f"--collection: there is no collection {arguments.collection!r}")
        made_with = text_metadata(collection.metadata, "embedding_model")
        name = arguments.model or made_with
        if not name:
            raise UsageError(
                f"--collection: {arguments.collection!r} does not say which model made it; "
                "name it with --model"
            )
        model = open_model(arguments, name)
        stack.callback(model.close)
        _check_same_model(model, collection)
        _tell_of_state(collection)
        prompt = text_metadata(collection.metadata, "embedding_query_prompt")
        vector = _vector(model, query_text(prompt, arguments.text))
        for rank, answer in enumerate(_answers(collection, vector, arguments.limit), start=1):
            print(_shown(rank, answer))
    return 0


def _vector(model: Model, text: str) -> Vector:
    try:
        vector: Vector = embed_long(model, [text]).vectors[0]
    except EmbeddingRejected as rejected:
        raise UsageError(f"TEXT: the model does not take it: {rejected}") from None
    return vector


def _check_same_model(model: Model, collection: Collection) -> None:
    """Vectors of another model find nothing that fits. Collections that chroma-sync did not make
    have no golden vectors."""
    golden = golden_vectors(collection.metadata)
    if golden is not None:
        advice = "Name the model that made it with --model, and its server with --tei."
        Space(model).settle(golden, collection.name, advice)


def _tell_of_state(collection: Collection) -> None:
    """Say why answers may be missing."""
    metadata, name = collection.metadata, repr(collection.name)
    if collection.count() == 0:
        tell(f"Collection {name} is empty.")
    elif is_being_updated(metadata):
        # Which of the two, the collection can't tell.
        tell(
            f"Collection {name} is being updated, or its last update did not come to its end: "
            "answers are of the old state and of the new."
        )
    elif is_unfinished(metadata):
        tell(
            f"Collection {name} is not finished: documents are missing that no run brought in yet."
        )


@dataclass
class QueryResult:
    """A hit that is shown. `more`: how many others have its text and are not shown."""

    hit: Hit
    more: int = 0


def answers_of(hits: Iterable[Hit]) -> list[QueryResult]:
    """What to show of some hits, in their order: of one text the first `_SAME_TEXT_MAX`, and the
    others counted beside the last of these."""
    answers: list[QueryResult] = []
    of_text: dict[str, list[QueryResult]] = {}
    for hit in hits:
        same = of_text.setdefault(hit.text, [])
        if len(same) == _SAME_TEXT_MAX:
            same[-1].more += 1
            continue
        same.append(QueryResult(hit))
        answers.append(same[-1])
    return answers


def _answers(collection: Collection, vector: Vector, limit: int) -> list[QueryResult]:
    """The best answers. More and more hits are asked for while copies of a text take up places."""
    asked = limit
    while True:
        hits = collection.nearest(vector, asked)
        answers = answers_of(hits)
        if len(answers) >= limit or len(hits) < asked or asked == _LIMIT_MAX:
            return answers[:limit]
        asked = min(asked * 2, _LIMIT_MAX)


def _shown(rank: int, answer: QueryResult) -> str:
    metadata, text = answer.hit.metadata, answer.hit.text
    lines = f"{metadata.get('start_line')}-{metadata.get('end_line')}"
    place = visible(f"{metadata.get('document_key')}:{lines}")
    shown = [f"{rank}. {place}  score {answer.hit.score:.3f}", *_excerpt(text)]
    if answer.more:
        shown.append(f"   ({answer.more} more with the same text)")
    return "\n".join(shown)


def _excerpt(text: str) -> list[str]:
    """The first lines, and a mark wherever something is left out. Control characters are written
    out, but for tabs."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    body = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_LINES_SHOWN]]
    more = ["…"] if len(lines) > _LINES_SHOWN else []
    return [f"     {visible(line, keep=_TAB)}".rstrip() for line in [*body, *more]]
