"""Remakes golden.json, what the present version of the chunker makes of a few texts.

`make generate` runs it. It refuses when files come out in other chunks under the same version.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent.parent.parent / "operator")]

from chroma_sync.pipeline.chunk import CHUNKER_VERSION, Chunker, ChunkingConfig  # noqa: E402
from chroma_sync.pipeline.chunk.chunks import Strategy  # noqa: E402
from chroma_sync.pipeline.extract import as_text  # noqa: E402
from chroma_sync.pipeline.extract import languages as tables  # noqa: E402
from unit.chunk.laws import language_in, strategy  # noqa: E402
from unit.chunk.snippets import SNIPPETS  # noqa: E402

FILE = HERE / "golden.json"
SIZES = 24, 60, 400
BUMP = "files come out in other chunks: bump CHUNKER_VERSION in pipeline/chunk/model.py"


def made() -> dict[str, object]:
    """The version, and for each text a hash of where it is cut."""
    texts = {name: text.encode() for name, text in SNIPPETS.items()}
    texts |= {file.name: file.read_bytes() for file in sorted((HERE / "samples").iterdir())}
    cuts = {
        f"{name} at {size}": cut
        for size in SIZES
        for name, cut in _cuts({n: t for n, t in texts.items() if len(t) > size}, size)
    }
    cuts |= {f"lines, {name}": cut for name, cut in _cuts(texts, 400, "lines")}
    cuts["which names and first bytes are which language"] = _tables()
    for package in ("tree-sitter", "tree-sitter-language-pack"):
        cuts[package] = metadata.version(package)
    return {"version": CHUNKER_VERSION, "cuts": cuts}


def _tables() -> str:
    shared = {
        suffix: [(other, signs.pattern.decode()) for other, signs in known]
        for suffix, known in sorted(tables._SHARED.items())
    }
    words = [dict(t) for t in (tables._BY_SUFFIX, tables._BY_NAME, tables._BY_INTERPRETER)]
    told = json.dumps([words, shared], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _cuts(
    texts: dict[str, bytes], size: int, how: Strategy = "tree_sitter"
) -> Iterator[tuple[str, str]]:
    with Chunker(ChunkingConfig(how, size, 5 if how == "lines" else None)) as chunker:
        for name, text in texts.items():
            chunked = chunker.chunk(as_text(name, text))
            lengths = [len(chunk.text) for chunk in chunked]
            told = f"{strategy(chunked)} {language_in(chunked)} {lengths}"
            yield name, hashlib.sha256(told.encode()).hexdigest()[:16]


def main() -> None:
    """Write the file anew, or end with what is to be done first."""
    new = made()
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    if old.get("version") == new["version"] and _changed(old["cuts"], new["cuts"]):
        sys.exit(BUMP)
    FILE.write_text(json.dumps(new, indent=1) + "\n")


def _changed(old: dict[str, str], new: object) -> bool:
    """Whether a text that is in both comes out otherwise; a new text is no change."""
    assert isinstance(new, dict)
    return any(new.get(name, cuts) != cuts for name, cuts in old.items())


if __name__ == "__main__":
    main()
