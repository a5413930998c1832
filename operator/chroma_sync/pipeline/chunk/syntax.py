"""Where the syntax of a text allows cuts. The only module that imports tree-sitter.

A parse may hang or crash: only a bounded process calls this (see `parser.py`).
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import cast

from tree_sitter import Language, Node, Parser, Tree
from tree_sitter_language_pack import SupportedLanguage, get_binding

from chroma_sync.pipeline.chunk import kinds
from chroma_sync.pipeline.chunk.cuts import (
    ATTACHED,
    CUT,
    HEADER,
    LINE,
    MIDLINE,
    Boundaries,
    Cuts,
    best_cut,
    join,
)
from chroma_sync.pipeline.chunk.protocol import unpack_head

_ERROR_KIND = 0xFFFF


def answer(head: bytes, data: bytes) -> bytes:
    """The answer to a question of the parser (see `protocol.py`)."""
    language, max_size = unpack_head(head)
    return syntax_cuts(language, data, max_size).tobytes()


def syntax_cuts(language: str, data: bytes, max_size: int) -> Cuts:
    """The cuts of `data` (not empty) along its syntax tree.

    Fills chunks greedily; each ends at the best boundary that it reaches.
    """
    grammar, roles = _grammar(language)
    places = _Places(Parser(grammar).parse(data), roles, data, max_size)
    cuts = array(CUT)
    start = 0
    while len(data) - start > max_size:
        # Most often the best one is easily found.
        start = places.quick(start) or best_cut(places.around(start))
        cuts.append(start)
    cuts.append(len(data))
    return join(cuts, max_size)


@cache
def _grammar(language: str) -> tuple[Language, dict[int, int]]:
    """A grammar, and the role (see `kinds`) of each of its kinds of node, by the kind's number."""
    grammar = Language(get_binding(cast("SupportedLanguage", language)))
    roles = {
        number: kinds.role(
            language,
            grammar.node_kind_for_id(number) or "",
            grammar.node_kind_is_named(number),
        )
        for number in range(grammar.node_kind_count)
    }
    return grammar, roles | {_ERROR_KIND: kinds.PLAIN}


class _Places:
    """The places between siblings, in nodes that do not fit into a chunk.

    Walks with a cursor, as a tree may be deeper than any stack, and looks at few nodes only: each
    costs more in Python than its parse did.
    """

    def __init__(self, tree: Tree, roles: dict[int, int], data: bytes, max_size: int) -> None:
        self._cursor = tree.walk()
        self._roles = roles
        self._data = data
        self._max_size = max_size

    def quick(self, start: int) -> int | None:
        """What `best_cut(around(start))` is, if that is a `LINE` and quickly found; else None.

        In the second half of the chunk it is the last one in the outermost node that has one. None
        lies there if a single piece fills that half, and then it is the last one before it.
        """
        half, limit = start + self._max_size // 2, start + self._max_size
        cursor = self._cursor
        parent = self._climb(start, limit)
        while cursor.goto_first_child_for_byte(limit) is not None:
            node = cast("Node", cursor.node)
            if node.start_byte > half:
                return self._last_line(parent, half, limit)
            if node.end_byte - node.start_byte <= self._max_size:
                return self._last_line(parent, start, half)
            parent = node
        return None

    def _last_line(self, parent: Node, low: int, high: int) -> int | None:
        """The last `LINE` behind `low`, up to `high`, between the cursor's node and its siblings
        before, as long as no body lies between: that has places of its own."""
        data, cursor, roles = self._data, self._cursor, self._roles
        body = _body_start(parent)
        node = cast("Node", cursor.node)
        node_start, is_glued = node.start_byte, roles[node.kind_id] & kinds.GLUED
        if node_start == node.end_byte:  # is no place; the next one counts, but lies behind
            return None
        while low < node_start != body and cursor.goto_previous_sibling():
            before = cast("Node", cursor.node)
            start, end = before.start_byte, before.end_byte
            if start == end:
                continue
            if data[end:node_start].strip():
                # Text of no node, or tree-sitter has jumped over siblings: where there are over
                # 256, its way back may (its issue 5950).
                return None
            role = roles[before.kind_id]
            line = data.rfind(b"\n", end - 1, min(node_start, high)) + 1
            if line and role & kinds.COMMENT and not self._begins_line(start):
                return None
            if line > low and not role & ~kinds.GLUED and not is_glued:
                return line
            node_start, is_glued = start, role & kinds.GLUED
        return None

    def _begins_line(self, offset: int) -> bool:
        line = self._data.rfind(b"\n", 0, offset) + 1
        return not self._data[line:offset].strip()

    def around(self, start: int) -> Boundaries:
        """All places for the end of a chunk that begins at `start`, and the next one."""
        data, max_size, roles, cursor = self._data, self._max_size, self._roles, self._cursor
        boundaries = Boundaries(data, start, max_size)
        before = 0  # the role of the sibling before
        # Where the bodies of the entered nodes start. No boundary outside the first of these nodes
        # lies within the chunk.
        bodies = [_body_start(self._climb(start, start + max_size))]
        piece_start = piece_end = start  # of the last piece that was not entered
        piece_depth = 1  # behind the last child of a node, the next piece lies higher
        first = True  # the boundary before a first child is its parent's
        more = self._enter(start)
        while more and boundaries.last <= boundaries.limit:
            node = cast("Node", cursor.node)
            node_start, node_end = node.start_byte, node.end_byte
            if node_start < node_end:
                role = roles[node.kind_id]
                is_body = bool(bodies) and node_start == bodies[-1]
                if not first:
                    gap = data[piece_end - 1 : node_start]
                    rank, role = _rank(gap, before, role, is_body, len(bodies))
                    reached = min(node_start, boundaries.limit)
                    offset = data.rfind(b"\n", piece_end - 1, reached) + 1 or node_start
                    if piece_end == reached < offset and b"\n" in gap:
                        # The piece just fits, without the end of its line.
                        offset, rank = piece_end, max(rank, HEADER)
                    if offset - boundaries.last > max_size:
                        boundaries.divide(piece_start, piece_end, offset, piece_depth)
                    boundaries.add(offset, rank)
                first = False
                before = role
                piece_start, piece_end, piece_depth = node_start, node_end, len(bodies)
                # What has a body is too large, so its body is open for cuts even if it would fit.
                is_open = node_end - node_start > max_size or is_body
                if is_open and node_end > start and self._enter(start):
                    first = True
                    bodies.append(_body_start(node))
                    continue
            while not (more := cursor.goto_next_sibling()) and cursor.goto_parent():
                node = cast("Node", cursor.node)
                if data[piece_end : node.end_byte].strip():  # text behind its last child
                    piece_start, piece_end, piece_depth = piece_end, node.end_byte, len(bodies)
                del bodies[-1:]
                first = False
                before = roles[node.kind_id]
        if not more:
            if len(data) - boundaries.last > max_size:
                boundaries.divide(piece_start, piece_end, len(data), piece_depth)
            boundaries.add(len(data), LINE)
        return boundaries

    def _climb(self, start: int, end: int) -> Node:
        """Goes up to the first node that covers all from `start` to `end`, or else to the root."""
        cursor = self._cursor
        node = cast("Node", cursor.node)
        while (node.start_byte > start or node.end_byte <= end) and cursor.goto_parent():
            node = cast("Node", cursor.node)
        return node

    def _enter(self, start: int) -> bool:
        """Goes to the child before the one that ends behind `start`, as a boundary's rank depends
        on both of its sides; or to one further before."""
        cursor = self._cursor
        if cursor.goto_first_child_for_byte(start) is None:
            # There may be one all the same: tree-sitter misses some when `start` lies in blanks.
            return cursor.goto_first_child()
        cursor.goto_previous_sibling()
        return True


def _rank(gap: bytes, before: int, role: int, is_body: bool, depth: int) -> tuple[int, int]:
    """The rank of the boundary between two siblings, by their roles and what lies between them
    (with one byte more, for a line feed may belong to the first), and the role of the second."""
    lines = gap.count(b"\n")
    if lines == 0 and role & kinds.COMMENT:  # stands behind something on its line
        return ATTACHED, before
    if role & kinds.GLUED or before & kinds.LEADING:
        return ATTACHED, role
    if before & kinds.COMMENT:
        return HEADER + depth if lines > 1 else ATTACHED, role
    if lines == 0:
        return MIDLINE, role
    return HEADER + depth if before & kinds.HEAD or is_body else LINE + depth, role


def _body_start(node: Node) -> int:
    """Where the body of a node begins, of an `if` its first branch; -1 if it has none."""
    body = node.child_by_field_name("body") or node.child_by_field_name("consequence")
    return -1 if body is None else body.start_byte
