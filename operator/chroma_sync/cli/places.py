"""Which Chroma and which model a laptop command works with."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed import LOCAL_MODEL, LocalMiniLM, Model, TeiModel
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Database

LOCAL_URL = "local"


def open_database(arguments: argparse.Namespace, database: str, tenant: str) -> Database:
    """The database in `--path`, or of the server `--chroma`."""
    if arguments.chroma:
        return Database.connect(arguments.chroma, tenant, database, retry_seconds=10.0)
    return Database.embedded(arguments.path, database)


def open_model(
    arguments: argparse.Namespace, model: str, sleep: Callable[[float], None] = time.sleep
) -> Model:
    """The model behind `--tei`, or the small one that runs in this process. Raises
    `Misconfigured` when nobody serves it here."""
    if arguments.tei:
        return TeiModel(arguments.tei, model=model, retry_budget_seconds=60.0, sleep=sleep)
    if model == LOCAL_MODEL:
        return LocalMiniLM()
    raise Misconfigured(
        Reason.MODEL_NOT_SERVED,
        f"spec.embedding.dense.model: nobody serves {model!r} here. Name a server that does with "
        f"--tei URL, or use the small model of this machine with --model {LOCAL_MODEL}.",
    )
