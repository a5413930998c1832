"""Small documents of each kind, made here."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{rest}:1.0"'
    for name, rest in (
        *(("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing")),
        *(("presentation", "presentation"), ("style", "style")),
    )
)

Parts = Mapping[str, str | bytes]


def archive(parts: Parts, *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return file.getvalue()


def relations(*targets: tuple[str, str], outside: bool = False) -> str:
    """Relations `rId1` and on, each of a kind and a target."""
    mode = ' TargetMode="External"' if outside else ""
    each = "".join(
        f'<Relationship Id="rId{n}" Type="{OFFICE}/{kind}" Target="{target}"{mode}/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{RELATIONS}">{each}</Relationships>'


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of Word."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def docx(body: str, more: Parts | None = None, prolog: str = "") -> bytes:
    """A Word document; its style `H1` is a heading."""
    style = '<w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
    document = f"<w:document {W} {R} {A}><w:body>{body}</w:body></w:document>"
    return archive(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relations(("officeDocument", "word/document.xml")),
            "word/document.xml": prolog + document,
            "word/_rels/document.xml.rels": relations(("styles", "styles.xml")),
            "word/styles.xml": f"<w:styles {W}>{style}</w:styles>",
            **(more or {}),
        }
    )


def pptx(*slides: str, more: Parts | None = None) -> bytes:
    """A presentation; each slide is what stands in its tree of shapes."""
    numbers = range(1, len(slides) + 1)
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in numbers)
    listed = f"<p:sldIdLst>{ids}</p:sldIdLst>"
    before = f"<p:sld {P} {A} {R}><p:cSld><p:spTree>"
    return archive(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relations(("officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": f"<p:presentation {P} {R}>{listed}</p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(
                *(("slide", f"slides/slide{n}.xml") for n in numbers)
            ),
            **{
                f"ppt/slides/slide{n}.xml": f"{before}{slide}</p:spTree></p:cSld></p:sld>"
                for n, slide in zip(numbers, slides, strict=True)
            },
            **(more or {}),
        }
    )


def shape(text: str, placeholder: str = "") -> str:
    """A shape of a slide."""
    place = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    words = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"/><p:cNvSpPr/><p:nvPr>{place}</p:nvPr></p:nvSpPr>'
        f"<p:txBody>{words}</p:txBody></p:sp>"
    )


def xlsx(rows: str, more: Parts | None = None, prolog: str = "") -> bytes:
    """A workbook of one sheet with these rows."""
    sheets = '<sheets><sheet name="One" sheetId="1" r:id="rId1"/></sheets>'
    sheet = f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>"
    return archive(
        {
            "[Content_Types].xml": (
                '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
            ),
            "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f"<workbook {S} {R}>{sheets}</workbook>",
            "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml")),
            "xl/worksheets/sheet1.xml": prolog + sheet,
            **(more or {}),
        }
    )


def row(number: int, *values: str) -> str:
    """A row of a sheet."""
    cells = "".join(
        f'<c r="{chr(65 + n)}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        for n, value in enumerate(values)
    )
    return f'<row r="{number}">{cells}</row>'


def opendocument(kind: str, body: str, more: Parts | None = None, prolog: str = "") -> bytes:
    """A document of OpenDocument; `kind` is `text`, `spreadsheet` or `presentation`."""
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    inner = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = f"<office:document-content {ODF}>{inner}</office:document-content>"
    manifest = '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return archive(
        {
            "mimetype": mimetype,
            "content.xml": prolog + content,
            "META-INF/manifest.xml": manifest,
            **(more or {}),
        }
    )


def epub(*chapters: str, more: Parts | None = None) -> bytes:
    """A book."""
    numbers = range(1, len(chapters) + 1)
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in numbers
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in numbers)
    roots = '<rootfiles><rootfile full-path="book.opf"/></rootfiles>'
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f"<container>{roots}</container>",
            "book.opf": f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"c{n}.xhtml": c for n, c in zip(numbers, chapters, strict=True)},
            **(more or {}),
        }
    )


def pdf(*pages: str, deflated: bytes | None = None, more: str = "") -> bytes:
    """A PDF with a line of text a page; `deflated` is the content of the only page instead."""
    contents = [f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode() for text in pages]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(contents)))
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R " + more.encode() + b" >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        packed = zlib.compress(content) if deflated is None else deflated
        head = f"<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + packed + b"\nendstream")
    out = BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets = []
    for n, one in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{n} 0 obj\n".encode() + one + b"\nendobj\n")
    start = out.tell()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def picture(text: str, kind: str = "PNG", *, frames: Sequence[str] = (), **options: Any) -> bytes:
    """A picture of some words."""
    first, *rest = (_drawn(words) for words in (text, *frames))
    file = BytesIO()
    several = {"save_all": True, "append_images": rest} if rest else {}
    first.save(file, kind, **several, **options)
    return file.getvalue()


def _drawn(text: str) -> Image.Image:
    image = Image.new("RGB", (700, 120), "white")
    ImageDraw.Draw(image).text((20, 30), text, "black", ImageFont.load_default(48))
    return image


def compound(*streams: str) -> bytes:
    """A compound file with the names of these streams in its directory, and nothing in them."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    head[30] = 9
    entries = b""
    for name in ("Root Entry", *streams):
        raw = name.encode("utf-16-le") + b"\0\0"
        entry = bytearray(128)
        entry[: len(raw)] = raw
        entry[64] = len(raw)
        entry[66] = 2
        entries += bytes(entry)
    return bytes(head) + entries.ljust(1024, b"\0")


RTF = rb"{\rtf1\ansi Some words in rich text.\par}"

GOOD: Mapping[str, bytes] = {
    "docx": docx(paragraph("Title", "H1") + paragraph("Some words.")),
    "pptx": pptx(shape("Title", "title") + shape("Some words.")),
    "xlsx": xlsx(row(1, "a", "b") + row(2, "some", "words")),
    "odt": opendocument("text", "<text:h>Title</text:h><text:p>Some words.</text:p>"),
    "odp": opendocument(
        "presentation",
        "<draw:page><draw:frame><draw:text-box><text:p>Some words.</text:p></draw:text-box>"
        "</draw:frame></draw:page>",
    ),
    "ods": opendocument(
        "spreadsheet",
        '<table:table table:name="One"><table:table-row><table:table-cell '
        'office:value-type="string"><text:p>Some words.</text:p></table:table-cell>'
        "</table:table-row></table:table>",
    ),
    "epub": epub("<html><body><h1>Title</h1><p>Some words.</p></body></html>"),
    "pdf": pdf("Some words.", "More words."),
    "html": b"<html><body><h1>Title</h1><p>Some words.</p></body></html>",
    "csv": b"a;b\nsome;words\nmore;words\n",
    "png": picture("Some words"),
    "jpg": picture("Some words", "JPEG"),
    "gif": picture("Some words", "GIF"),
    "webp": picture("Some words", "WEBP"),
    "tiff": picture("Some words", "TIFF"),
}
