"""Writes the Markdown of a document: block by block, in parts, with the headings above each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from chroma_sync.pipeline.extract.tables import table_lines
from chroma_sync.pipeline.text import NOTHING, Part, Section, Text

_HEADING_MAX: Final = 120  # characters of a heading in a path
_PATH_MAX: Final = 500
_LEVELS: Final = 6
# What texts can't hold or don't show: controls but for tab and line feed, halves of characters.
_NO_CHARACTER: Final = re.compile("[\0-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff\xad\u200b]")
_BLANKS: Final = re.compile(r"[ \t\xa0\u2007\u202f]+")
_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# What would be read as a heading, a quote, a list or a fence where a paragraph begins.
_BLOCK_MARK: Final = re.compile(r"(?m)^(#{1,6}\s|>|[-+*]\s|```|~~~|={3,}$|-{3,}$)")


def clean(text: str) -> str:
    """A text without what is no character, with single blanks, its lines as they are."""
    text = _NO_CHARACTER.sub("", _LINE_ENDS.sub("\n", text))
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split("\n")).strip()


def one_line(text: str) -> str:
    """A text on one line."""
    return " ".join(clean(text).split())


class Markdown:
    """A Markdown text that grows. Blocks are apart by a blank line, items of a list are not."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._sections: list[Section] = []
        self._done: list[bytes] = []
        self._size = 0
        self._metadata: Mapping[str, str | int] = NOTHING
        self._blocks: list[str] = []  # of the part that is being written
        self._marks: list[tuple[int, str]] = []  # the block from which on a path holds
        self._headings: list[tuple[int, str]] = []
        self._in_list = False

    def part(self, metadata: Mapping[str, str | int], *, goes_on: bool = False) -> None:
        """Begin a part. Where it `goes_on`, the headings before it still stand above it."""
        self._end_part()
        self._metadata = metadata
        if not goes_on and self._headings:
            self._headings = []
            self._marks.append((0, ""))

    def heading(self, level: int, text: str, *, label: str = "") -> None:
        """A heading of level 1 to 6; a blank one is left out. `label` is its number, if any."""
        line = one_line(f"{label} {text}")
        if not line:
            return
        level = max(1, min(level, _LEVELS))
        self._headings = [(n, t) for n, t in self._headings if n < level]
        self._headings.append((level, line[:_HEADING_MAX]))
        path = " > ".join(text for _, text in self._headings)
        self._marks.append((len(self._blocks), path[:_PATH_MAX]))
        self.block(f"{'#' * level} {line}")

    def paragraph(self, text: str) -> None:
        """A paragraph, with its line breaks."""
        self.block(_BLOCK_MARK.sub(r"\\\1", clean(text)))

    def item(self, depth: int, text: str, marker: str = "-") -> None:
        """An item of a list; `depth` is 0 for an outermost one."""
        indent = "  " * min(depth, 10)
        lines = clean(text).replace("\n", f"\n{indent}{' ' * (len(marker) + 1)}")
        if lines:
            self._add(f"{indent}{marker} {lines}", in_list=True)

    def quote(self, text: str) -> None:
        """What stands beside the text, such as a comment."""
        if lines := clean(text):
            self.block("> " + lines.replace("\n", "\n> "))

    def comment(self, author: str, text: str, on: str = "") -> None:
        """What someone has noted; `on` says on what, where its place does not."""
        if said := clean(text):
            by = one_line(author)
            where = f" on {on}" if on else ""
            self.quote(f"Comment{where} by {by}: {said}" if by else f"Comment{where}: {said}")

    def code(self, text: str, language: str = "") -> None:
        """Lines as they are."""
        code = _NO_CHARACTER.sub("", _LINE_ENDS.sub("\n", text)).strip("\n")
        if code.strip():
            fence = "```" if "```" not in code else "`" * 8
            self.block(f"{fence}{language}\n{code}\n{fence}")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A table, whose first row is its header. Rows and columns that are blank are left out."""
        if lines := table_lines(rows):
            self.block("\n".join(lines))

    def block(self, text: str) -> None:
        """A block that is Markdown already."""
        if text.strip():
            self._add(text, in_list=False)

    def _add(self, block: str, *, in_list: bool) -> None:
        gap = "" if not self._blocks else "\n" if in_list and self._in_list else "\n\n"
        self._blocks.append(gap + block)
        self._in_list = in_list

    def written(self) -> int:
        """How many blocks stand in the part that was begun last."""
        return len(self._blocks)

    def text(self) -> Text:
        """All that was written. Use the writer no more."""
        self._end_part("\n")
        sections = tuple(s for s in self._sections if s.start < self._size)
        return Text(b"".join(self._done), tuple(self._parts), sections)

    def _end_part(self, end: str = "\n\n") -> None:
        if not self._blocks:
            self._marks = [(0, path) for _, path in self._marks[-1:]]
            return
        blocks = [block.encode() for block in (*self._blocks, end)]
        starts = [self._size]
        for block in blocks:
            starts.append(starts[-1] + len(block))
        self._sections += [Section(starts[number], path) for number, path in self._marks]
        part = Part(starts[0], starts[-1], "markdown", self._metadata)
        self._parts.append(part)
        self._done += blocks
        self._size = part.end
        self._blocks, self._marks, self._in_list = [], [], False
