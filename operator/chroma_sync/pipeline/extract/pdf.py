"""PDF documents: each page a part; pages without text are read as pictures."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pypdfium2 as pdfium
from PIL.Image import Image
from pypdfium2 import raw

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown, clean, one_line
from chroma_sync.pipeline.extract.ocr import read_picture
from chroma_sync.pipeline.extract.pdf_layout import Block, blocks_of, common_size
from chroma_sync.pipeline.extract.pdf_lines import Line, lines_of
from chroma_sync.pipeline.extract.pdf_margins import without_repeated
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import PAGE, Text

PAGES_MAX: Final = 7_000
_DPI: Final = 300
_PIXELS_MAX: Final = 12_000_000  # of a page as a picture: A4 in 300 dots an inch has 9
_LETTERS_MIN: Final = 12  # a page with fewer and with pictures is a scan
_NOTE_MAX: Final = 10_000  # characters
_NOTES: Final = {
    raw.FPDF_ANNOT_TEXT,
    raw.FPDF_ANNOT_FREETEXT,
    raw.FPDF_ANNOT_HIGHLIGHT,
    raw.FPDF_ANNOT_UNDERLINE,
    raw.FPDF_ANNOT_SQUIGGLY,
    raw.FPDF_ANNOT_STRIKEOUT,
    raw.FPDF_ANNOT_STAMP,
    raw.FPDF_ANNOT_CARET,
    raw.FPDF_ANNOT_INK,
    raw.FPDF_ANNOT_SQUARE,
    raw.FPDF_ANNOT_CIRCLE,
    raw.FPDF_ANNOT_LINE,
    raw.FPDF_ANNOT_POLYGON,
}


def text(source: Source) -> Text:
    """The text of a PDF document, page by page."""
    document = _opened(source)
    count = len(document)
    if count > PAGES_MAX:
        message = f"It has {count} pages; {PAGES_MAX} are read."
        raise Refused(DocumentReason.TOO_MANY_PAGES, message)
    if document.get_formtype() != raw.FORMTYPE_NONE:
        document.init_forms()
    pages = [_Page(document, number, source) for number in range(count)]
    lines = without_repeated([page.lines for page in pages])
    size = common_size(line for page in lines for line in page)
    out = Markdown()
    for page, kept in zip(pages, lines, strict=True):
        out.part({PAGE: page.number + 1}, goes_on=True)
        for block in blocks_of(kept, size):
            _write(block, out)
        for words in page.values:
            out.paragraph(words)
        for author, words in page.notes:
            out.comment(author, words)
        for paragraph in page.picture.split("\n\n"):
            out.paragraph(paragraph)
    return out.text()


def _opened(source: Source) -> pdfium.PdfDocument:
    try:
        body: Path | bytes = source.body
        return pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            message = "It opens with a password only."
            raise Refused(DocumentReason.ENCRYPTED, message) from None
        if getattr(error, "err_code", None) == raw.FPDF_ERR_SECURITY:
            message = "It is protected in a way that is not known here."
            raise Refused(DocumentReason.DRM_PROTECTED, message) from None
        message = f"It is no PDF that can be read: {one_line(str(error))}"
        raise Refused(DocumentReason.MALFORMED, message) from None


class _Page:
    """What a page holds. It is read once, so that one page at a time is in memory."""

    def __init__(self, document: pdfium.PdfDocument, number: int, source: Source) -> None:
        self.number = number
        self.lines: list[Line] = []
        self.values: list[str] = []
        self.notes: list[tuple[str, str]] = []
        self.picture = ""
        try:
            page = document[number]
        except pdfium.PdfiumError:
            return  # a page that is broken; the others are not
        try:
            self.lines = lines_of(page)
            shown = "".join(line.text for line in self.lines)
            self.values = list(_form_values(page, shown))
            self.notes = list(_annotations(page))
            letters = sum(c.isalnum() for c in shown)
            if letters < _LETTERS_MIN and _has_pictures(page):
                source.look_at_clock()
                self.picture = read_picture(_rendered(page), source.ocr_languages)
                if letters and one_line(shown) in one_line(self.picture):
                    self.lines = []
        finally:
            page.close()


def _has_pictures(page: pdfium.PdfPage) -> bool:
    kinds = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING)
    return next(page.get_objects(filter=kinds, max_depth=5), None) is not None


def _rendered(page: pdfium.PdfPage) -> Image:
    width, height = page.get_size()
    scale = _DPI / 72
    pixels = width * height * scale**2
    if pixels > _PIXELS_MAX:
        scale *= (_PIXELS_MAX / pixels) ** 0.5
    picture: Image = page.render(scale=scale, grayscale=True).to_pil()
    return picture


def _annotations(page: pdfium.PdfPage) -> Iterator[tuple[str, str]]:
    """What people have noted on a page, each with who did."""
    for n in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, n)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(annotation) in _NOTES:
                words = clean(_value(annotation, b"Contents"))
                author = one_line(_value(annotation, b"T"))
                if words:
                    yield author, words
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _form_values(page: pdfium.PdfPage, shown: str) -> Iterator[str]:
    """The fields of a form that are filled in, where the page does not show them as text."""
    form = page.formenv
    if form is None:
        return
    for n in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, n)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_WIDGET:
                field = _Field(form, annotation)
                value = field.shown_value()
                if value and value not in shown:
                    yield f"{field.name()}: {value}"
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


class _Field:
    def __init__(self, form: pdfium.PdfFormEnv, annotation: object) -> None:
        self.form = form
        self.annotation = annotation

    def name(self) -> str:
        """What people call the field."""
        said = self._read(raw.FPDFAnnot_GetFormFieldAlternateName)
        return one_line(said or self._read(raw.FPDFAnnot_GetFormFieldName))

    def shown_value(self) -> str:
        """The value as the form shows it; "" of a button, and of a field that is blank."""
        kind = raw.FPDFAnnot_GetFormFieldType(self.form, self.annotation)
        if kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
            return "☒" if raw.FPDFAnnot_IsChecked(self.form, self.annotation) else ""
        if kind in (raw.FPDF_FORMFIELD_PUSHBUTTON, raw.FPDF_FORMFIELD_SIGNATURE):
            return ""
        return clean(self._read(raw.FPDFAnnot_GetFormFieldValue))

    def _read(self, function: Callable[..., int]) -> str:
        size = function(self.form, self.annotation, None, 0)
        return _utf16(size, lambda b, n: function(self.form, self.annotation, b, n))


def _value(annotation: object, key: bytes) -> str:
    size: int = raw.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    return _utf16(size, lambda b, n: raw.FPDFAnnot_GetStringValue(annotation, key, b, n))


def _utf16(size: int, fill: Callable[..., int]) -> str:
    if not 2 < size <= 2 * _NOTE_MAX:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    fill(buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace")


def _write(block: Block, out: Markdown) -> None:
    match block.kind:
        case "heading":
            out.heading(block.level, block.text)
        case "table":
            out.table(block.rows)
        case "item":
            out.item(0, block.text, block.marker)
        case _:
            out.paragraph(block.text)
