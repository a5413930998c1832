"""Pictures (.png, .jpg, .gif, .tiff, .webp): the text that they show, each frame a part."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Final

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown
from chroma_sync.pipeline.extract.ocr import read_picture
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import NOTHING, PAGE, Text

_FORMATS: Final = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "MPO", "BMP")
_PIXELS_MAX: Final = 60_000_000  # of one frame: decoded they must fit into a pod's memory
_LARGE: Final = 20_000_000
FRAMES_MAX: Final = 7_000


def text(source: Source) -> Text:
    """The text that a picture shows."""
    Image.MAX_IMAGE_PIXELS = _PIXELS_MAX
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    out = Markdown()
    seen: set[str] = set()
    try:
        with Image.open(source.file(), formats=_FORMATS) as picture:
            count = getattr(picture, "n_frames", 1)
            if count > FRAMES_MAX:
                message = f"It has {count} frames; {FRAMES_MAX} are read."
                raise Refused(DocumentReason.TOO_MANY_PAGES, message)
            for number, frame in enumerate(_frames(picture), 1):
                source.look_at_clock()
                words = read_picture(frame, source.ocr_languages)
                if words not in seen:  # frames of an animation show the same for a while
                    seen.add(words)
                    out.part({PAGE: number} if count > 1 else NOTHING)
                    for paragraph in words.split("\n\n"):
                        out.paragraph(paragraph)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        message = f"It has more than {_PIXELS_MAX:,} pixels."
        raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message) from None
    except UnidentifiedImageError:
        raise Refused(DocumentReason.MALFORMED, "It is no picture that can be read.") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError) as error:
        message = f"It is a damaged picture: {error}"
        raise Refused(DocumentReason.MALFORMED, message) from None
    return out.text()


def _frames(picture: Image.Image) -> Iterator[Image.Image]:
    for frame in ImageSequence.Iterator(picture):
        if picture.width * picture.height > _LARGE:
            frame.draft("L", (picture.width // 2, picture.height // 2))
        yield ImageOps.exif_transpose(frame)
