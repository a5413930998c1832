"""Which Chroma and which model a laptop command works with."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from chroma_sync.api.reasons import Reason
from chroma_sync.cli.outcome import UsageError
from chroma_sync.pipeline.assembly import RetryPolicy
from chroma_sync.pipeline.embed import LOCAL_MODEL, LocalMiniLM, Model, TeiModel
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.session import Address, Token
from chroma_sync.pipeline.secrets import for_header

LOCAL_URL = "local"
DATABASE_FILE = "chroma.sqlite3"  # of an embedded Chroma
# A person sits in front of it: long enough for a server that restarts.
RETRY_SECONDS = 30.0
RETRY = RetryPolicy(RETRY_SECONDS)
# As chromadb's own client names it.
_TOKEN_VARIABLE = "CHROMA_API_KEY"  # noqa: S105 - a name
_TOKEN_ADVICE = (
    f"Check the token in the file of --chroma-token-file or in {_TOKEN_VARIABLE}, or the user and "
    "password in --chroma."
)


def check_places(arguments: argparse.Namespace) -> None:
    """Look at the options that name a place, before anything begins. Raises `UsageError`."""
    for option, url in (("--chroma", arguments.chroma), ("--tei", arguments.tei)):
        if url:
            _must_be_url(option, url)
    if arguments.chroma:
        _must_be_token(arguments)
    elif arguments.chroma_token_file is not None:
        raise UsageError("--chroma-token-file: is for a server: name it with --chroma URL")
    else:
        _must_be_folder(arguments.path)


def chroma_place(arguments: argparse.Namespace) -> str:
    """The address of the server, or the folder. It may be shown: it holds no password."""
    return Address.parse(arguments.chroma).url if arguments.chroma else str(arguments.path)


def open_database(
    arguments: argparse.Namespace,
    database: str,
    tenant: str,
    retry: RetryPolicy = RETRY,
) -> Database:
    """The database in `--path`, or of the server `--chroma`."""
    if arguments.chroma:
        return Database.connect(
            *(arguments.chroma, tenant, database),
            Token(lambda: _token(arguments), _TOKEN_ADVICE),
            retry_seconds=retry.seconds,
            sleep=retry.sleep,
            on_wait=retry.on_wait,
        )
    return Database.embedded(arguments.path, database)


def require_folder(arguments: argparse.Namespace) -> None:
    """Make the folder of the embedded Chroma, if it isn't there, and see that it can be written:
    Chroma does so even when it is only asked. Raises `UsageError`."""
    if arguments.chroma:
        return
    folder = arguments.path.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--path: {folder} can't be created: {error.strerror}") from None
    try:
        # Chroma's own error would not tell this from trouble that goes away.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"--path: {folder} can't be written: {error.strerror}") from None


def _must_be_folder(path: Path) -> None:
    try:
        good = path.is_dir() or not path.exists()
        (path / DATABASE_FILE).exists()  # raises when we may not look inside
    except OSError as error:
        raise UsageError(f"--path: {path.absolute()} can't be read: {error.strerror}") from None
    if not good:
        raise UsageError(f"--path: {path} is not a folder; name another one")


def _must_be_url(option: str, value: str) -> None:
    try:
        Address.parse(value)
    except ValueError as error:
        shown = value.rpartition("@")[2][:60]  # without a password
        raise UsageError(f"{option}: {error}, not {shown!r}") from None


def _must_be_token(arguments: argparse.Namespace) -> None:
    file = arguments.chroma_token_file
    try:
        if file is not None and not file.read_bytes().strip():
            raise UsageError(f"--chroma-token-file: {file} is empty")
    except OSError as error:
        message = f"--chroma-token-file: {file} can't be read: {error.strerror}"
        raise UsageError(message) from None


def _token(arguments: argparse.Namespace) -> str | None:
    """The token for the Chroma server, as it stands now. Raises `Misconfigured`."""
    file = arguments.chroma_token_file
    if file is None:
        return for_header(os.environ.get(_TOKEN_VARIABLE, "").strip(), _TOKEN_VARIABLE) or None
    try:
        # What is not ASCII is refused below, and not shown.
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        message = f"--chroma-token-file: {file} can't be read: {error.strerror}."
        raise Misconfigured(Reason.CREDENTIALS_REJECTED, message) from None
    return for_header(text, f"The token in {file}")


def open_model(arguments: argparse.Namespace, model: str, retry: RetryPolicy = RETRY) -> Model:
    """The model behind `--tei`, or the small one that runs in this process. Raises `Misconfigured`
    when nobody serves the model here."""
    if arguments.tei:
        return TeiModel(
            arguments.tei,
            model=model,
            retry_budget_seconds=retry.seconds,
            sleep=retry.sleep,
            on_wait=retry.on_wait,
        )
    if model == LOCAL_MODEL:
        return LocalMiniLM()
    raise Misconfigured(
        Reason.MODEL_NOT_SERVED,
        f"spec.embedding.dense.model: nobody serves {model!r} here. Name a server that does with "
        f"--tei URL, or use the small model of this machine with --model {LOCAL_MODEL}.",
    )
