"""`chroma-sync query`: the best chunks of a collection for a question."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from chroma_sync.api.configuration import query_text
from chroma_sync.cli.outcome import UsageError
from chroma_sync.cli.places import check_places, open_database, open_model, require_folder
from chroma_sync.pipeline.embed import embed_long
from chroma_sync.pipeline.index.chroma import Hit, text_metadata

_LINES_SHOWN = 6
_WIDTH = 110
_LIMIT_MAX = 300
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
        prompt = text_metadata(collection.metadata, "embedding_query_prompt")
        vector = embed_long(model, [query_text(prompt, arguments.text)]).vectors[0]
        for rank, hit in enumerate(collection.nearest(vector, arguments.limit), start=1):
            print(_shown(rank, hit))
    return 0


def _shown(rank: int, hit: Hit) -> str:
    metadata = hit.metadata
    lines = f"{metadata.get('start_line')}-{metadata.get('end_line')}"
    head = f"{rank}. {metadata.get('document_key')}:{lines}  score {hit.score:.3f}"
    return "\n".join([head, *_excerpt(hit.text)])


def _excerpt(text: str) -> list[str]:
    """The first lines as they are, and a mark wherever something is left out."""
    lines = text.splitlines()
    body = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_LINES_SHOWN]]
    more = ["…"] if len(lines) > _LINES_SHOWN else []
    return [f"     {line}".rstrip() for line in [*body, *more]]
