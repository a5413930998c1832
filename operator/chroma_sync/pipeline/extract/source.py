"""A document as its extractor sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import Body, whole
from chroma_sync.pipeline.extract.errors import Refused

PICTURES_SECONDS: Final = 5_400


@dataclass(frozen=True)
class Source:
    """What is to be read: its bytes or a file, the suffix of its name (`.docx`), the encoding that
    is said of it, and the languages that its pictures are read in."""

    body: Body
    suffix: str = ""
    encoding: str | None = None
    ocr_languages: tuple[str, ...] = ("eng",)
    started: float = field(default_factory=time.monotonic)

    @cached_property
    def data(self) -> bytes:
        """All its bytes."""
        return whole(self.body)

    def look_at_clock(self) -> None:
        """To be called before each picture, of which there may be thousands. Raises `Refused`."""
        if time.monotonic() - self.started > PICTURES_SECONDS:
            message = f"Its pictures take over {PICTURES_SECONDS} s to read."
            raise Refused(DocumentReason.EXTRACTION_TIMED_OUT, message)

    def file(self) -> IO[bytes]:
        """A file of them that can be read at any place."""
        return self.body.open("rb") if isinstance(self.body, Path) else BytesIO(self.body)
