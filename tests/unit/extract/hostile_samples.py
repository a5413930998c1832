"""Documents that are made to cost much, each with the verdicts that it may come to."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO

from unit.extract.samples import (
    archive,
    docx,
    epub,
    opendocument,
    paragraph,
    pdf,
    pptx,
    row,
    xlsx,
)

MIB = 1024**2
BILLION_LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]>"
)


def _blanks(name: str, size: int, good: bytes) -> bytes:
    """A good document, one of whose members unpacks to so many blanks."""
    file = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(good)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        with new.open(name, "w", force_zip64=True) as out:
            for _ in range(size // MIB):
                out.write(b" " * MIB)
    return file.getvalue()


def _lying(good: bytes, name: str) -> bytes:
    """An archive that says a member is small that is not."""
    data = bytearray(_blanks(name, 80 * MIB, good))
    at = data.rfind(name.encode())
    struct.pack_into("<I", data, at - 46 + 24, 1000)
    return bytes(data)


def _stream_bomb() -> bytes:
    """A page whose content is 400 MiB once it is unpacked."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * MIB) for _ in range(400)) + packer.flush()
    return pdf("x", deflated=packed)


def _many_pages(count: int) -> bytes:
    kids = b"4 0 R " * count
    good = pdf("x")
    start, end = good.index(b"/Kids"), good.index(b"]", good.index(b"/Kids")) + 1
    counted = good[:start] + b"/Kids [" + kids + b"]" + good[end:]
    return counted.replace(b"/Count 1", f"/Count {count}".encode())


def _loop_of_pages() -> bytes:
    return pdf("x").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(10 * MIB))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def _deep(open_: str, close: str, depth: int, inside: str = "") -> str:
    return open_ * depth + inside + close * depth


def _far_cell() -> bytes:
    far = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'
    return xlsx(row(1, "near") + far)


def _empty_rows() -> bytes:
    return xlsx("".join(f'<row r="{n}"/>' for n in range(1, 1_048_577)))


def _repeated(kind: str) -> bytes:
    cell = (
        '<table:table-cell table:number-columns-repeated="16384" office:value-type="string">'
        "<text:p>x</text:p></table:table-cell>"
    )
    table = (
        '<table:table table:name="t"><table:table-row table:number-rows-repeated="1048576">'
        f"{cell}</table:table-row></table:table>"
    )
    return opendocument(kind, table)


def _spans() -> bytes:
    return b"<table>" + b'<tr><td rowspan="65534" colspan="1000">x</td></tr>' * 2_000 + b"</table>"


TABLE = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
LARGE = "ExtractedTooLarge ExtractionOutOfMemory ExtractionTimedOut Malformed empty text"
BOMBS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "bomb.docx": (
        lambda: _blanks("word/document.xml", 100 * MIB, docx(paragraph("x"))),
        "ExtractedTooLarge",
    ),
    "bomb-in-styles.docx": (
        lambda: _blanks("word/styles.xml", 100 * MIB, docx(paragraph("x"))),
        "ExtractedTooLarge",
    ),
    "bomb.xlsx": (
        lambda: _blanks("xl/worksheets/sheet1.xml", 600 * MIB, xlsx("")),
        "ExtractedTooLarge",
    ),
    "bomb.epub": (lambda: _blanks("c1.xhtml", 100 * MIB, epub("x")), "ExtractedTooLarge"),
    "bomb.odt": (
        lambda: _blanks("content.xml", 100 * MIB, opendocument("text", "")),
        "ExtractedTooLarge",
    ),
    "bomb.pptx": (
        lambda: _blanks("ppt/slides/slide1.xml", 100 * MIB, pptx("")),
        "ExtractedTooLarge",
    ),
    "lying.docx": (lambda: _lying(docx(paragraph("x")), "word/document.xml"), "Malformed"),
    "members.docx": (
        lambda: archive({f"word/{n}": "" for n in range(30_000)} | {"word/document.xml": "x"}),
        "ExtractedTooLarge",
    ),
    "laughs.docx": (lambda: docx(paragraph("x &a11;"), prolog=BILLION_LAUGHS), "text Malformed"),
    "laughs.xlsx": (
        lambda: xlsx(row(1, "x &a11;"), prolog=BILLION_LAUGHS),
        "text empty Malformed",
    ),
    "laughs.odt": (
        lambda: opendocument("text", "<text:p>x &a11;</text:p>", prolog=BILLION_LAUGHS),
        "text Malformed",
    ),
    "laughs.html": (lambda: BILLION_LAUGHS.encode() + b"<p>x &a11;</p>", "text"),
    "laughs.epub": (lambda: epub(f"{BILLION_LAUGHS}<html><body>x &a11;</body></html>"), "text"),
    "stream.pdf": (_stream_bomb, LARGE),
    "pages.pdf": (lambda: _many_pages(7_001), "TooManyPages"),
    "loop.pdf": (_loop_of_pages, "empty Malformed"),
    "huge.png": (lambda: _png(60_000, 60_000), "ExtractedTooLarge"),
    "truncated-large.png": (lambda: _png(7_000, 7_000), "Malformed ExtractionOutOfMemory"),
    "deep.docx": (lambda: docx(_deep(*TABLE, 20_000)), "Malformed"),
    "rather-deep.docx": (lambda: docx(_deep(*TABLE, 80, paragraph("x"))), "text"),
    "deep.odt": (
        lambda: opendocument("text", _deep("<text:section>", "</text:section>", 20_000)),
        "Malformed",
    ),
    "deep.html": (lambda: b"<div>" * 200_000 + b"x", "text Malformed"),
    "deep-lists.html": (lambda: b"<ul><li>" * 50_000 + b"x", "text Malformed"),
    "deep-spans.html": (lambda: b"<p>" + b"<span>" * 50_000 + b"x", "text empty Malformed"),
    "deep.pdf": (
        lambda: pdf("x", more="/X " + "[" * 100_000 + "]" * 100_000),
        "text Malformed ExtractionCrashed",
    ),
    "spans.html": (_spans, "text"),
    "rows.xlsx": (_empty_rows, "empty"),
    # All between the two cells is made room for, and the library breaks off.
    "far.xlsx": (_far_cell, "ExtractionCrashed ExtractionOutOfMemory"),
    "repeated.ods": (lambda: _repeated("spreadsheet"), LARGE),
    "repeated.odt": (lambda: _repeated("text"), LARGE),
    "quotes.csv": (lambda: b'"' + b"x," * 5_000_000, LARGE),
    "wide.csv": (lambda: b"," * 5_000_000 + b"x", "ExtractedTooLarge"),
    "long.html": (lambda: b"<p>" + b"word " * 2_200_000, "text"),
    "loop.pptx": (
        lambda: pptx(f"<p:grpSp>{_deep('<p:grpSp>', '</p:grpSp>', 100)}</p:grpSp>"),
        "empty",
    ),
    "same.zip.docx": (
        lambda: archive({"a/../../etc/passwd": "x", "word/document.xml": "<x/>"}),
        "empty",
    ),
}
