"""HTML documents: what their pages show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from lxml import etree, html

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.charset import text_of
from chroma_sync.pipeline.extract.docx_runs import linked, math
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.html_tables import table_cells
from chroma_sync.pipeline.extract.markdown import Markdown, clean, one_line
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import NOTHING, Text
from chroma_sync.pipeline.words import words

_DECLARED: Final = re.compile(
    rb"""(?ix) <meta [^>]{0,300} charset \s* = \s* ["']? \s* ([-\w:]{2,40})
       | ^\s* <\?xml [^>]{0,100} encoding \s* = \s* ["'] ([-\w:]{2,40})"""
)
_HEAD: Final = 4096
_DEPTH_MAX: Final = 200
_FRAMES_MAX: Final = 3  # documents in documents
_LEFT_OUT: Final = words(
    "script style template head svg noscript object embed canvas audio video map datalist input "
    "noframes meta link title base"
)
_BLOCKS: Final = words(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html iframe legend "
    "li main menu nav ol option p pre search section select summary table tbody td textarea tfoot "
    "th thead tr ul"
)
# What may stand around blocks, although it is part of a line.
_AROUND: Final = words("a span font b strong ins label small i em code")
_HIDDEN: Final = re.compile(r"(?i)(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)")
_LANGUAGE_CLASS: Final = re.compile(r"(?:language|lang|highlight|brush)[-: ]+([\w+#-]{1,20})")
_INVISIBLE: Final = re.compile("[\u200e\u200f\u2060\ufeff]")

Node: TypeAlias = html.HtmlElement


def text(source: Source) -> Text:
    """The text of an HTML document."""
    out = Markdown()
    out.part(NOTHING)
    write_html(source.data, out, declared=source.encoding)
    return out.text()


def write_html(data: bytes, out: Markdown, *, declared: str | None = None, frames: int = 0) -> None:
    """Write a document, or one that lies in another. Raises `Refused`."""
    root = parsed(markup(data, declared))
    if root is not None:
        _Writer(out, frames).blocks(root)


def markup(data: bytes, declared: str | None = None) -> str:
    """The characters of a document. Raises `Refused`."""
    match = _DECLARED.search(data[:_HEAD])
    named = None if match is None else (match[1] or match[2]).decode()
    return text_of(data, declared or named)


def parsed(text: str) -> Node | None:
    """The tree of a document; None where it has none. Raises `Refused`."""
    # Text of XML declares an encoding, which that of a text can't be.
    text = re.sub(r"^\s*<\?xml[^>]{0,200}\?>", "", text.lstrip("\ufeff")).replace("\0", "")
    parser = html.HTMLParser(
        remove_comments=True, remove_pis=True, no_network=True, huge_tree=True, encoding="utf-8"
    )
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None
    # The parser mends all else. What it gives up for its bounds it leaves out in silence.
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise Refused(DocumentReason.MALFORMED, "It is nested too deeply.")
    return root


class _Writer:
    def __init__(self, out: Markdown, frames: int) -> None:
        self.out = out
        self.frames = frames

    def blocks(self, node: Node, depth: int = 0, lists: int = -1) -> None:
        """Write what stands in a block: text between blocks is a paragraph."""
        line: list[str] = [_one_blank(node.text)]

        def end() -> None:
            if said := clean_inline(line):
                self.out.paragraph(said)
            line.clear()

        for one in node:
            if not _is_shown(one):
                pass
            elif depth < _DEPTH_MAX and _is_block(one):
                end()
                self.block(one, depth + 1, lists)
            elif depth >= _DEPTH_MAX:  # without its structure, but whole
                line.append(_one_blank("".join(map(str, one.itertext()))))
            else:
                line.append(self.inline(one))
            line.append(_one_blank(one.tail))
        end()

    def block(self, node: Node, depth: int, lists: int) -> None:
        match str(node.tag):
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                self.out.heading(int(node.tag[1]), self.line(node))
            case "ul" | "ol" | "menu" | "dir":
                self.items(node, depth, lists + 1)
            case "li":
                self.item(node, depth, max(lists, 0), "-")
            case "pre" | "textarea":
                self.out.code(_lines(node), _language(node))
            case "table":
                self.table(node, depth, lists)
            case "blockquote":
                self.quote(node, depth)
            case "hr":
                pass
            case "dt":
                self.out.paragraph(self.line(node))
            case "dd" if not any(_is_block(one) for one in node):
                self.out.item(0, self.line(node))
            case "iframe":
                self.frame(node)
            case "select":
                self.options(node)
            case _:
                self.blocks(node, depth, lists)

    def items(self, node: Node, depth: int, lists: int) -> None:
        start = str(node.get("start", "1"))
        number = int(start) if start.isdecimal() and len(start) < 9 else 1
        for one in node:
            if one.tag != "li":
                if _is_shown(one):
                    self.block(one, depth, lists)
                continue
            if _is_shown(one):
                self.item(one, depth, lists, f"{number}." if node.tag == "ol" else "-")
                number += 1

    def item(self, node: Node, depth: int, lists: int, marker: str) -> None:
        """An item: its first lines, and then the blocks in it."""
        line = [_one_blank(node.text)]
        rest = list(node)
        while rest and not _is_block(rest[0]):
            one = rest.pop(0)
            line += [self.inline(one) if _is_shown(one) else "", _one_blank(one.tail)]
        if not clean_inline(line) and rest and _is_paragraph(rest[0]):
            first = rest.pop(0)
            line = [self.line(first), "\n", _one_blank(first.tail)]
        self.out.item(lists, clean_inline(line), marker)
        for one in rest:
            if _is_shown(one):
                if _is_block(one) and depth < _DEPTH_MAX:
                    self.block(one, depth + 1, lists)
                else:
                    self.out.paragraph(self.inline(one))
            if (one.tail or "").strip():
                self.out.paragraph(clean_inline([_one_blank(one.tail)]))

    def table(self, node: Node, depth: int, lists: int) -> None:
        for caption in node.iterchildren("caption"):
            self.out.paragraph(self.line(caption))
        rows = table_cells(node)
        if rows and all(len(row) <= 1 for row in rows):  # a frame around text
            for row in rows:
                for cell in row:
                    if cell is not None:
                        self.blocks(cell[0], depth, lists)
            return
        self.out.table([["" if c is None else self.cell(c[0], depth) for c in r] for r in rows])

    def cell(self, node: Node, depth: int) -> str:
        """A cell, its blocks on lines of their own."""
        if not any(_is_block(one) for one in node.iterdescendants()):
            return self.line(node)
        inner = Markdown()
        _Writer(inner, self.frames).blocks(node, min(depth + 1, _DEPTH_MAX))
        lines = inner.text().data.decode().split("\n")
        return "\n".join(line.lstrip("#").strip() for line in lines)

    def quote(self, node: Node, depth: int) -> None:
        inner = Markdown()
        _Writer(inner, self.frames).blocks(node, min(depth + 1, _DEPTH_MAX))
        written = inner.text().data.decode().strip()
        self.out.block(
            "\n".join(f"> {line}".rstrip() for line in written.split("\n")) * bool(written)
        )

    def frame(self, node: Node) -> None:
        """A page that is written out in an attribute of this one."""
        page = node.get("srcdoc")
        if page and self.frames < _FRAMES_MAX:
            root = parsed(str(page))
            if root is not None:
                _Writer(self.out, self.frames + 1).blocks(root)

    def options(self, node: Node) -> None:
        for one in node.iter("option"):
            self.out.item(0, self.line(one))

    def line(self, node: Node) -> str:
        """What an element shows, on lines as it breaks them."""
        return clean_inline([self.inline(node)])

    def inline(self, node: Node, depth: int = 0) -> str:
        if not _is_shown(node):
            return ""
        if depth > _DEPTH_MAX:  # without its structure, but whole
            return _one_blank("".join(map(str, node.itertext())))
        tag = node.tag
        if tag == "br":
            return "\n"
        if tag == "img":
            alt = one_line(str(node.get("alt", "")))
            return f"![{alt}]()" if alt else ""
        if tag == "math":
            return math(node)
        pieces = [_one_blank(node.text)]
        for one in node:
            pieces += [self.inline(one, depth + 1), _one_blank(one.tail)]
        inner = "".join(pieces)
        if tag == "a" and (shown := clean_inline([inner])):
            return linked(shown, str(node.get("href", "")))
        if tag in ("code", "kbd", "samp", "tt") and inner.strip() and "`" not in inner:
            return f"`{inner.strip()}`"
        if tag in ("sup", "sub") or not _is_block(node):
            return inner
        return f"\n{inner}\n"


def clean_inline(pieces: list[str]) -> str:
    """Inline text: white space is one blank but for the line breaks that are meant."""
    return re.sub(r"\n\s*\n+", "\n", clean(_INVISIBLE.sub("", "".join(pieces))))


def _one_blank(text: str | None) -> str:
    """White space in the source, line ends too, is a blank."""
    return re.sub(r"[ \t\r\n\f]+", " ", text or "")


def _is_block(node: Node) -> bool:
    inner = ("div", "p", "table", "ul", "ol", "pre", "h1", "h2", "h3")
    if node.tag in _AROUND:
        return next(node.iterdescendants(*inner), None) is not None
    return node.tag in _BLOCKS


def _is_paragraph(node: Node) -> bool:
    return node.tag in ("p", "div") and not any(_is_block(one) for one in node)


def _is_shown(node: Node) -> bool:
    return (
        isinstance(node.tag, str)
        and node.tag not in _LEFT_OUT
        and node.get("hidden") is None
        and not _HIDDEN.search(node.get("style", ""))
    )


def _lines(node: Node) -> str:
    """The lines of code, as they are."""

    def pieces(one: Node) -> Iterator[str]:
        yield one.text or ""
        for inner in one:
            if inner.tag == "br":
                yield "\n"
            elif isinstance(inner.tag, str):
                yield from pieces(inner)
            yield inner.tail or ""

    return "".join(pieces(node)).removeprefix("\n")


def _language(node: Node) -> str:
    for one in (
        node,
        *node.iterchildren("code"),
        *([node.getparent()] if node.getparent() is not None else []),
    ):
        if match := _LANGUAGE_CLASS.search(str(one.get("class", ""))):
            return match[1].lower()
    return ""
