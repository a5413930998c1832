"""A document as its extractor sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO

from chroma_sync.pipeline.body import Body, whole


@dataclass(frozen=True)
class Source:
    """What is to be read: its bytes or a file, the suffix of its name (`.docx`), the encoding that
    is said of it, and the languages that its pictures are read in."""

    body: Body
    suffix: str = ""
    encoding: str | None = None
    ocr_languages: tuple[str, ...] = ("eng",)

    @cached_property
    def data(self) -> bytes:
        """All its bytes."""
        return whole(self.body)

    def file(self) -> IO[bytes]:
        """A file of them that can be read at any place."""
        return self.body.open("rb") if isinstance(self.body, Path) else BytesIO(self.body)
