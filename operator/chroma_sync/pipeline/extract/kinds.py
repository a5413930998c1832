"""What kind a document is: its bytes say it, and where they don't, the suffix of its name."""

from __future__ import annotations

import re
from typing import Final

from chroma_sync.pipeline.extract import ole

HEAD_BYTES: Final = 1024

SUFFIXES: Final = {
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), "docx"),
    **dict.fromkeys((".pptx", ".pptm", ".potx", ".ppsx"), "pptx"),
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".xltx", ".xlsb", ".ods"), "sheets"),
    **dict.fromkeys((".odt", ".ott", ".odp", ".otp"), "odf"),
    **dict.fromkeys((".doc", ".dot", ".rtf"), "word"),
    **dict.fromkeys((".ppt", ".pps"), "slides"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".csv": "csv",
    ".epub": "epub",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".tiff", ".tif"), "images"),
}
MEDIA_TYPES: Final = {
    "application/pdf": "pdf",
    "application/msword": "word",
    "application/rtf": "word",
    "text/rtf": "word",
    "application/vnd.ms-powerpoint": "slides",
    "application/vnd.ms-excel": "sheets",
    "application/epub+zip": "epub",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/csv": "csv",
    **dict.fromkeys(
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
        ),
        "docx",
    ),
    **dict.fromkeys(
        (
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
        ),
        "pptx",
    ),
    **dict.fromkeys(
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
            "application/vnd.oasis.opendocument.spreadsheet",
        ),
        "sheets",
    ),
    **dict.fromkeys(
        (
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.presentation",
        ),
        "odf",
    ),
    **dict.fromkeys(("image/png", "image/jpeg", "image/webp", "image/gif", "image/tiff"), "images"),
}
_MAGIC: Final = re.compile(
    rb"""(?sx)
      (?P<zip> PK\x03\x04 )
    | (?P<ole> \xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 )
    | (?P<images> \x89PNG\r\n\x1a\n | \xff\xd8\xff | GIF8[79]a | II\x2a\x00 | MM\x00\x2a
        | RIFF....WEBP )
    | (?P<word> \{\\rtf )
    """
)
_HTML: Final = re.compile(
    rb"(?i)\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,500}?-->\s*)*<(?:!doctype html|html\b)",
    re.DOTALL,
)
# In an archive: a member, and what it shows the document to be.
_MEMBERS: Final = (
    ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"),
    ("xl/workbook.xml", "sheets"),
    ("xl/workbook.bin", "sheets"),
)
_MIMETYPES: Final = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.spreadsheet": "sheets",
    b"application/vnd.oasis.opendocument.text": "odf",
    b"application/vnd.oasis.opendocument.presentation": "odf",
    b"application/vnd.oasis.opendocument.graphics": "odf",
}
_STREAMS: Final = {
    "WordDocument": "word",
    "PowerPoint Document": "slides",
    "Workbook": "sheets",
    "Book": "sheets",
}


def family(head: bytes) -> str | None:
    """What the first bytes show a document to be: a kind, or `zip` or `ole`, which hold several."""
    if b"%PDF-" in head[:HEAD_BYTES]:
        return "pdf"
    match = _MAGIC.match(head)
    return None if match is None else match.lastgroup


def is_html(head: bytes) -> bool:
    """Whether a text begins as a page does."""
    return bool(_HTML.match(head.removeprefix(b"\xef\xbb\xbf")))


def kind_of_archive(
    names: list[str], mimetype: bytes | None, content_types: bytes | None
) -> str | None:
    """What the members of an archive show it to be; None when it is no document."""
    for start, kind in _MIMETYPES.items():
        if (mimetype or b"").strip().startswith(start):
            return kind
    for member, kind in _MEMBERS:
        if member in names:
            return kind
    for sign, kind in (
        (b"wordprocessingml", "docx"),
        (b"presentationml", "pptx"),
        (b"spreadsheetml", "sheets"),
    ):
        if sign in (content_types or b""):
            return kind
    if "meta-inf/container.xml" in names:
        return "epub"
    return "odf" if {"content.xml", "meta-inf/manifest.xml"} <= set(names) else None


def kind_of_compound(data: bytes) -> str | None:
    """The same of a compound file; `encrypted` when it is the wrapping of one that is."""
    streams = ole.streams(data)
    if "EncryptedPackage" in streams:
        return "encrypted"
    return next((kind for name, kind in _STREAMS.items() if name in streams), None)
