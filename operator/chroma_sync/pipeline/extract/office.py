"""Documents of old Office (.doc, .ppt, .rtf): LibreOffice turns them into new ones."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import docx, ole, pptx, programs
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import Text

_NEEDS: Final = (
    "Reading this kind needs LibreOffice (Debian: libreoffice-writer-nogui, "
    "libreoffice-impress-nogui)."
)
_DOES_NOT_RUN: Final = (
    "LibreOffice is installed, and reads no document here, however small: see what it lacks."
)
_KNOWN_GOOD: Final = rb"{\rtf1 good}"
_CPU_SECONDS: Final = 120
_RESTART: Final = 81  # it has made a profile and wants to be started again
_TRIES: Final = 3


def _item(path: str, name: str, value: str) -> str:
    return (
        f'<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{value}</value></prop></item>"
    )


# What a document refers to is never looked at, nor is code in it run.
_SETTINGS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><oor:items '
    'xmlns:oor="http://openoffice.org/2001/registry">'
    + _item("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true")
    + _item("Office.Common/Security/Scripting", "DisableMacrosExecution", "true")
    + _item("Office.Writer/Content/Update", "Link", "0")
    + "</oor:items>"
)


def word(source: Source) -> Text:
    """The text of an old Word document, or of one in Rich Text Format."""
    return docx.text(Source(_converted(source, "docx")))


def slides(source: Source) -> Text:
    """The text of an old presentation."""
    return pptx.text(Source(_converted(source, "pptx")))


def _converted(source: Source, to: str) -> bytes:
    """Raises `Refused`: on account of the document only when a known-good one passes."""
    data = source.data
    if ole.is_encrypted(data, ole.streams(data)):
        raise Refused(DocumentReason.ENCRYPTED, "It opens with a password only.")
    made = _by_libreoffice(data, to)
    if made is not None:
        return made
    if _by_libreoffice(_KNOWN_GOOD, "docx") is None:
        raise Refused(DocumentReason.NOT_INSTALLED, _DOES_NOT_RUN)
    message = "LibreOffice can't read it: it is damaged, or no such document."
    raise Refused(DocumentReason.MALFORMED, message)


def _by_libreoffice(data: bytes, to: str) -> bytes | None:
    """The document in another format; None when LibreOffice makes none: it says so by no exit code.
    Raises `Refused`."""
    program = programs.find("soffice", "libreoffice", needs=_NEEDS).resolve()
    # The program itself, and not the script that starts it: one process to bound.
    program = inner if (inner := program.with_name("soffice.bin")).exists() else program
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "document").write_bytes(data)
        settings = home / "profile" / "user" / "registrymodifications.xcu"
        settings.parent.mkdir(parents=True)
        settings.write_text(_SETTINGS)
        command = [
            *(str(program), f"-env:UserInstallation={(home / 'profile').as_uri()}"),
            *("--headless", "--norestore", "--nologo", "--nolockcheck"),
            *("--convert-to", to, "--outdir", str(home / "out"), str(home / "document")),
        ]
        environment = {
            "HOME": folder,
            "TMPDIR": folder,
            # A pod's /tmp can't be written to.
            "OSL_SOCKET_PATH": folder,
            "PATH": os.defpath,
            "MALLOC_ARENA_MAX": "1",
        }
        for _ in range(_TRIES):
            code, _ = programs.run(command, cpu_seconds=_CPU_SECONDS, environment=environment)
            if code != _RESTART:
                break
        if code < 0:
            raise Refused(DocumentReason.EXTRACTION_CRASHED, "LibreOffice crashed with it.")
        made = home / "out" / f"document.{to}"
        return made.read_bytes() if made.exists() else None
