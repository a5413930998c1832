"""Programs that don't run here: no document is to blame for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import ocr, office
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.source import Source

LETTER = rb"{\rtf1 A letter.}"
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program of a name before all others, with what it does, in Python."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def put(name: str, does: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!{sys.executable}\nimport os, sys\n{does}\n")
        file.chmod(0o755)

    return put


def reason(action: Callable[[], object]) -> DocumentReason:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.reason


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("sys.exit(1)", DocumentReason.NOT_INSTALLED),
        ("os.abort()", DocumentReason.EXTRACTION_CRASHED),
        (
            "read, out = sys.argv[-1], sys.argv[-2]\n"
            "if b'good' in open(read, 'rb').read():\n"
            "    os.mkdir(out)\n"
            "    open(out + '/document.docx', 'w').close()",
            DocumentReason.MALFORMED,
        ),
    ],
    ids=["it makes nothing", "it crashes", "it makes nothing of this one"],
)
def test_libreoffice_that_fails(install: Install, does: str, why: DocumentReason) -> None:
    install("soffice", does)
    assert reason(lambda: office.word(Source(LETTER))) is why


LANGUAGES = "if '--list-langs' in sys.argv: print('eng'); sys.exit(0)\n"


def test_tesseract_that_fails(install: Install) -> None:
    install("tesseract", LANGUAGES + "sys.exit(1)")
    ocr._look_for_languages.cache_clear()
    picture = Image.new("L", (300, 300), 255)
    picture.paste(0, (50, 50, 200, 200))
    assert reason(lambda: ocr.read_picture(picture, ["eng"])) is DocumentReason.NOT_INSTALLED
    # Of a picture that it can't make sense of there are no words.
    white = "from PIL import Image\nimport io\n"
    white += "data = Image.open(io.BytesIO(sys.stdin.buffer.read()))\n"
    install("tesseract", LANGUAGES + white + "sys.exit(data.getextrema() != (255, 255))")
    assert ocr.read_picture(picture, ["eng"]) == ""
