"""The process that reads documents: finds out what one is and has its module read it."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import kinds
from chroma_sync.pipeline.extract.answers import pack_refused, pack_text
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.plain import as_text
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import Text

# Of each kind the function that reads it; heavy libraries are imported when the first is met.
_READERS: Final = {
    "pdf": "pdf:text",
    "docx": "docx:text",
    "pptx": "pptx:text",
    "sheets": "sheets:text",
    "odf": "odf:text",
    "word": "office:word",
    "slides": "office:slides",
    "html": "html:text",
    "csv": "csv:text",
    "epub": "epub:text",
    "images": "images:text",
}
_BLANK: Final = Text(b"", ())
_DEPTH_MAX: Final = 4_000  # calls of functions in each other, for what is nested


class _Reader(Protocol):
    def __call__(self, source: Source) -> Text: ...


def answer(head: bytes, data: bytes) -> bytes:
    """The answer to a question of the extractor. `head` is a JSON object: `suffix`, `encoding`,
    `languages`, `by_type` (the kind that a media type tells), and `path` where the bytes are a
    file."""
    asked = json.loads(head)
    body = Path(asked["path"]) if asked["path"] else data
    source = Source(body, asked["suffix"], asked["encoding"], tuple(asked["languages"]))
    sys.setrecursionlimit(_DEPTH_MAX)
    try:
        return pack_text(_text(source, asked["by_type"]))
    except Refused as error:
        return pack_refused(error)
    except RecursionError:
        return pack_refused(Refused(DocumentReason.MALFORMED, "It is nested too deeply."))
    except ModuleNotFoundError as error:
        message = (
            f"Reading it needs pip install 'chroma-sync[documents]' ({error.name} is missing)."
        )
        return pack_refused(Refused(DocumentReason.NOT_INSTALLED, message))


def _text(source: Source, by_type: str | None) -> Text:
    with source.file() as file:
        head = file.read(kinds.HEAD_BYTES)
    expected = kinds.SUFFIXES.get(source.suffix) or by_type
    kind = _kind(source, head, expected)
    if kind == "plain":
        return as_text(f"document{source.suffix}", source.data)
    module, _, function = _READERS[kind].partition(":")
    loaded = import_module(f"chroma_sync.pipeline.extract.{module}")
    text = cast("_Reader", getattr(loaded, function))(source)
    return text if any(c.isalnum() for c in text.data.decode()) else _BLANK


def _kind(source: Source, head: bytes, expected: str | None) -> str:
    """Raises `Refused` where no kind fits."""
    family = kinds.family(head)
    if family == "zip":
        found = _kind_of_archive(source)
    elif family == "ole":
        found = kinds.kind_of_compound(source.data)
    else:
        found = family
    if found == "encrypted":
        raise Refused(DocumentReason.ENCRYPTED, "It opens with a password only.")
    if found is not None:
        return found
    if family is not None:
        if expected is None:  # an archive, an installer
            raise Refused(DocumentReason.BINARY, "It is no document.")
        raise Refused(DocumentReason.MALFORMED, "It is not what its name says.")
    if expected in ("html", "csv"):
        return expected
    if kinds.is_html(head):  # a page that was saved under another name
        return "html"
    if expected == "sheets" and source.suffix == ".xls" and _is_text(source.data):
        return "csv"
    if expected is None:
        raise Refused(DocumentReason.BINARY, "It is no document.")
    raise Refused(DocumentReason.MALFORMED, "It is not what its name says.")


def _kind_of_archive(source: Source) -> str | None:
    from chroma_sync.pipeline.extract.zips import Package

    package = Package(source.file())
    names = package.names()
    small = ("mimetype", "[Content_Types].xml")
    mimetype, types = (package.read(name) if package.has(name) else None for name in small)
    return kinds.kind_of_archive(names, mimetype, types)


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeError:
        return False
