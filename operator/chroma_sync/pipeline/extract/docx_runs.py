"""The inside of a Word paragraph: what is read on the line, and what hangs on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from chroma_sync.pipeline.extract.docx_styles import Style, Styles, is_monospaced, is_on
from chroma_sync.pipeline.extract.drawings import description
from chroma_sync.pipeline.extract.markdown import clean, one_line
from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants, name
from chroma_sync.pipeline.extract.zips import Related

_LEFT_OUT: Final = frozenset({"del", "moveFrom", "pPr", "rPr", "sdtPr", "delText", "instrText"})
_TEXTS: Final = {
    "tab": "\t",
    "br": "\n",
    "cr": "\n",
    "noBreakHyphen": "-",
    "ptab": "\t",
}
_NOTES: Final = {
    "footnoteReference": "footnote",
    "endnoteReference": "endnote",
    "commentReference": "comment",
}
# What the fonts of symbols show at the places that documents use most.
_SYMBOLS: Final = {"F0FE": "☒", "F0A8": "☐", "F06F": "☐", "F0FC": "✓", "F0B7": "•", "F0E0": "→"}


@dataclass
class Inline:
    """What a paragraph holds. `raw` are its lines as they are; `is_code`: all of it is in a font of
    code."""

    text: str = ""
    raw: str = ""
    is_code: bool = False
    boxes: list[Element] = field(default_factory=list)
    graphics: list[Element] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


class Runs:
    """Reads paragraphs, one after the other."""

    def __init__(self, styles: Styles, relations: dict[str, Related]) -> None:
        self.styles = styles
        self.relations = relations

    def paragraph(self, paragraph: Element, style: Style) -> Inline:
        """What a paragraph holds."""
        found = Inline()
        walk = _Walk(self, found, style)
        walk.into(paragraph)
        found.raw = "".join(walk.pieces)
        found.text = clean(found.raw)
        found.is_code = walk.is_code and bool(found.text)
        return found


class _Walk:
    def __init__(self, runs: Runs, found: Inline, style: Style) -> None:
        self.runs = runs
        self.found = found
        self.style = style
        self.pieces: list[str] = []
        self.is_code = True

    def into(self, parent: Element) -> None:
        for one in parent:
            kind = name(one)
            if kind == "r":
                self.run(one)
            elif kind == "hyperlink":
                self.link(one)
            elif kind in ("oMath", "oMathPara"):
                self.pieces.append(math(one))
            elif kind not in _LEFT_OUT:
                self.into(one)

    def run(self, run: Element) -> None:
        properties = child(run, "rPr")
        named = attribute(child(properties, "rStyle"), "val")
        character = self.runs.styles.get(named)
        is_hidden = self.style.is_hidden or character.is_hidden
        is_hidden = is_on(child(properties, "vanish"), is_hidden)
        before = len(self.pieces)
        for one in run:
            self.piece(one, is_hidden)
        is_code = character.is_code or is_monospaced(child(properties, "rFonts"))
        if "".join(self.pieces[before:]).strip() and not is_code:
            self.is_code = False

    def piece(self, one: Element, is_hidden: bool) -> None:
        kind = name(one)
        if kind in _NOTES:
            self.note(_NOTES[kind], attribute(one, "id") or "")
        elif is_hidden:
            return
        elif kind == "t":
            self.pieces.append(one.text or "")
        elif kind in _TEXTS:
            self.pieces.append(_TEXTS[kind])
        elif kind == "sym":
            self.pieces.append(_symbol(attribute(one, "char") or ""))
        elif kind == "fldChar":
            self.pieces.append(_form_value(child(one, "ffData")))
        elif kind in ("drawing", "pict", "object"):
            self.drawing(one)
        elif kind == "ruby":
            for base in children(one, "rubyBase"):
                self.into(base)
        elif kind not in _LEFT_OUT:
            self.into(one)

    def note(self, kind: str, id_: str) -> None:
        self.found.notes.append((kind, id_))
        if kind != "comment":
            self.pieces.append(f"[^{'' if kind == 'footnote' else 'e'}{id_}]")

    def link(self, link: Element) -> None:
        before = len(self.pieces)
        self.into(link)
        related = self.runs.relations.get(attribute(link, "id") or "")
        shown = one_line("".join(self.pieces[before:]))
        if related is not None and related.is_outside and shown:
            self.pieces[before:] = [linked(shown, related.target)]

    def drawing(self, drawing: Element) -> None:
        boxes = list(descendants(drawing, "txbxContent"))
        inner = {id(box) for outer in boxes for box in descendants(outer, "txbxContent")}
        self.found.boxes += [box for box in boxes if id(box) not in inner]
        if next(descendants(drawing, "chart", "relIds"), None) is not None:
            self.found.graphics.append(drawing)
        for one in descendants(drawing, "textpath"):
            self.pieces.append(attribute(one, "string") or "")
        if not boxes and (text := description(drawing)):
            self.pieces.append(f"![{text}]()")


def linked(shown: str, address: str) -> str:
    """A link in Markdown; an address that is no web page's or mailbox is left out."""
    address = address.strip()
    if not address.lower().startswith(("http://", "https://", "mailto:")) or shown == address:
        return shown
    if any(c in address for c in " \t\n()<>") or len(address) > 500:
        return shown
    return f"[{shown}]({address})"


def _symbol(code: str) -> str:
    if code.upper() in _SYMBOLS:
        return _SYMBOLS[code.upper()]
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    is_private = 0xE000 <= number <= 0xF8FF
    return "" if is_private or not 0x20 <= number < 0xD800 else chr(number)


def _form_value(form: Element | None) -> str:
    """What a field of an old form shows that is no text: its box, or the entry chosen."""
    if (box := child(form, "checkBox")) is not None:
        checked = child(box, "checked")
        return (
            "☒" if is_on(checked if checked is not None else child(box, "default"), False) else "☐"
        )
    if (entries := child(form, "ddList")) is not None:
        chosen = attribute(child(entries, "result"), "val") or "0"
        shown = [attribute(e, "val") or "" for e in children(entries, "listEntry")]
        if chosen.isdecimal() and len(chosen) < 4 and int(chosen) < len(shown):
            return shown[int(chosen)]
    return ""


def math(element: Element) -> str:
    """A formula on one line."""
    kind = name(element)
    if kind == "t":
        return element.text or ""
    inner = {name(one): math(one) for one in element}
    if kind == "f":
        return f"({inner.get('num', '')})/({inner.get('den', '')})"
    if kind in ("sSup", "sSub", "sSubSup"):
        low = f"_{inner['sub']}" if "sub" in inner else ""
        high = f"^{inner['sup']}" if "sup" in inner else ""
        return f"{inner.get('e', '')}{low}{high}"
    if kind == "rad":
        return f"√({inner.get('e', '')})"
    if kind == "nary":
        sign = attribute(child(element, "naryPr", "chr"), "val") or "∫"
        low = f"_{inner['sub']}" if inner.get("sub") else ""
        high = f"^{inner['sup']}" if inner.get("sup") else ""
        return f"{sign}{low}{high} {inner.get('e', '')}"
    if kind == "d":
        return f"({', '.join(math(one) for one in children(element, 'e'))})"
    if kind.endswith("Pr"):
        return ""
    return "".join(math(one) for one in element)
