"""The styles and lists of a Word document: which paragraphs are headings, code, items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants

_HEADING_NAME: Final = re.compile(r"(?i)(?:heading|überschrift|titre|título|rubrik) (\d)")
_CODE_NAME: Final = re.compile(r"(?i)\b(?:code|preformatted|source|listing|verbatim|plain text)\b")
_MONOSPACED: Final = re.compile(
    r"(?i)courier|consolas|menlo|monaco|monospace|\bmono\b|lucida console|source code|fira code"
)
_BASED_MAX: Final = 20
_OUTLINE_MAX: Final = 6
_ROMAN: Final = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass
class Style:
    """What is of use here of a style, with what it is based on."""

    heading: int | None = None  # 1 to 6
    is_code: bool = False
    is_hidden: bool = False
    numbering: tuple[str, int] | None = None  # the list's id, and the level


class Styles:
    """The styles of a document by their ids, each looked at when it is first met."""

    def __init__(self, root: Element | None) -> None:
        """Those of a part `styles.xml`."""
        self._raw = {attribute(s, "styleId") or "": s for s in children(root, "style")}
        self._known: dict[str, Style] = {}

    def get(self, id_: str | None) -> Style:
        """A style; a plain one where there is none of this id."""
        if id_ is None or id_ not in self._raw:
            return _PLAIN
        if id_ not in self._known:
            style = Style()
            for element in reversed(_chain(self._raw, id_)):
                _take_over(style, element)
            self._known[id_] = style
        return self._known[id_]


_PLAIN: Final = Style()


def _chain(raw: dict[str, Element], id_: str) -> list[Element]:
    chain: list[Element] = []
    while id_ in raw and len(chain) < _BASED_MAX:
        chain.append(raw[id_])
        id_ = attribute(child(raw[id_], "basedOn"), "val") or ""
    return chain


def _take_over(style: Style, element: Element) -> None:
    title = attribute(child(element, "name"), "val") or ""
    if match := _HEADING_NAME.fullmatch(title):
        style.heading = min(max(int(match[1]), 1), _OUTLINE_MAX)
    elif title.lower() == "title":
        style.heading = 1
    properties = child(element, "pPr")
    style.heading = outline_level(properties, style.heading)
    fonts = child(element, "rPr", "rFonts")
    style.is_code = style.is_code or bool(_CODE_NAME.search(title)) or is_monospaced(fonts)
    style.is_hidden = is_on(child(element, "rPr", "vanish"), style.is_hidden)
    if (numbering := child(properties, "numPr")) is not None:
        former = style.numbering or ("", 0)
        level = attribute(child(numbering, "ilvl"), "val") or ""
        list_id = attribute(child(numbering, "numId"), "val") or former[0]
        style.numbering = (list_id, int(level) if level.isdecimal() else former[1])


def outline_level(properties: Element | None, otherwise: int | None) -> int | None:
    """The level of a heading that the properties of a paragraph name; 9 there is none."""
    level = attribute(child(properties, "outlineLvl"), "val")
    if level is None or not level.isdecimal() or len(level) > 2:
        return otherwise
    return int(level) + 1 if int(level) < _OUTLINE_MAX else None


def is_monospaced(fonts: Element | None) -> bool:
    """Whether a run's fonts are those of code."""
    return bool(_MONOSPACED.search(attribute(fonts, "ascii") or ""))


def is_on(element: Element | None, otherwise: bool) -> bool:
    """The value of a switch such as `vanish`."""
    if element is None:
        return otherwise
    return attribute(element, "val") not in ("0", "false", "off", "none")


@dataclass
class _Level:
    format: str
    text: str
    start: int


class Numbering:
    """The lists of a document, counted as they are met."""

    def __init__(self, root: Element | None) -> None:
        self._levels: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, str] = {}  # the abstract list of each
        self._counts: dict[str, dict[int, int]] = {}
        abstract = {}
        for one in children(root, "abstractNum"):
            abstract[attribute(one, "abstractNumId") or ""] = _levels(one)
        for one in children(root, "num"):
            id_ = attribute(one, "numId") or ""
            base = attribute(child(one, "abstractNumId"), "val") or ""
            levels = dict(abstract.get(base, {}))
            overrides = list(children(one, "lvlOverride"))
            for override in overrides:
                levels |= _levels(override)
            self._levels[id_] = levels
            # Lists that share an abstract one count on, unless one starts anew.
            starts_anew = any(child(o, "startOverride") is not None for o in overrides)
            self._lists[id_] = f"#{id_}" if starts_anew else base

    def label(self, list_id: str, level: int) -> str | None:
        """The label of the next item: "" for a bullet; None where it is no item."""
        kind = self._levels.get(list_id, {}).get(level)
        if kind is None:
            return None
        if kind.format in ("bullet", "none"):
            return "" if kind.format == "bullet" else None
        counts = self._counts.setdefault(self._lists[list_id], {})
        counts[level] = counts.get(level, kind.start - 1) + 1
        for deeper in [n for n in counts if n > level]:
            del counts[deeper]
        levels = self._levels[list_id]

        def number(match: re.Match[str]) -> str:
            n = int(match[1]) - 1
            at = levels.get(n, kind)
            return counted(counts.get(n, at.start), at.format)

        return re.sub(r"%([1-9])", number, kind.text)


def _levels(element: Element) -> dict[int, _Level]:
    found: dict[int, _Level] = {}
    for one in descendants(element, "lvl"):
        number = attribute(one, "ilvl") or ""
        start = attribute(child(one, "start"), "val") or ""
        if number.isdecimal() and len(number) < 3:
            found[int(number)] = _Level(
                attribute(child(one, "numFmt"), "val") or "decimal",
                attribute(child(one, "lvlText"), "val") or "",
                int(start) if start.isdecimal() and len(start) < 9 else 1,
            )
    return found


def counted(number: int, format_: str) -> str:
    """A number as a list writes it."""
    if format_ in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 5)
        return letter.upper() if format_ == "upperLetter" else letter
    if format_ in ("lowerRoman", "upperRoman") and 0 < number < 90:
        roman = "l" * (number >= 50)
        rest = number - 50 * (number >= 50)
        if rest >= 40:
            roman, rest = "xl", rest - 40
        for value, letters in _ROMAN:
            roman += letters * (rest // value)
            rest %= value
        return roman.upper() if format_ == "upperRoman" else roman
    return f"{number:02d}" if format_ == "decimalZero" else str(number)
