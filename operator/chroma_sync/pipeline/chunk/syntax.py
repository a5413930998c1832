"""Where the syntax of a text allows cuts. The only module that imports tree-sitter.

A parse may hang or crash: only the child process calls this (see `_child.py`).
"""

from __future__ import annotations

from functools import cache
from typing import cast

from tree_sitter import Language, Node, Parser, Tree
from tree_sitter_language_pack import SupportedLanguage, get_binding

from chroma_sync.pipeline.chunk import kinds
from chroma_sync.pipeline.chunk.cuts import ATTACHED, HEADER, LINE, MIDLINE, Boundaries, pack

_ERROR_KIND = 0xFFFF


def syntax_cuts(language: str, data: bytes, max_size: int) -> list[int]:
    """The end offset of every chunk of `data` (not empty), cut along its syntax tree."""
    grammar, roles = _grammar(language)
    return pack(_boundaries(Parser(grammar).parse(data), roles, data, max_size))


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


def _boundaries(tree: Tree, roles: dict[int, int], data: bytes, max_size: int) -> Boundaries:
    """Every place between two siblings, in nodes that do not fit into a chunk.

    Walks with a cursor, as a tree may be deeper than any stack, and enters only such nodes.
    """
    boundaries = Boundaries(data, max_size)
    cursor = tree.walk()
    depth = before = 0  # `before` is the role of the sibling before
    body = -1  # where the parent's body starts
    start = end = 0  # of the last piece that was not entered
    first = True  # the boundary before a first child is its parent's
    more = cursor.goto_first_child()
    while more:
        node = cast("Node", cursor.node)
        node_start, node_end = node.start_byte, node.end_byte
        if node_start < node_end:
            role = roles[node.kind_id]
            if not first:
                line = data.rfind(b"\n", end - 1, node_start) + 1
                if line == 0 and role & kinds.COMMENT:  # stands behind something on its line
                    rank, role = ATTACHED, before
                elif role & kinds.GLUED or before & kinds.LEADING:
                    rank = ATTACHED
                elif before & kinds.COMMENT:
                    blank_line = data.count(b"\n", end - 1, node_start) > 1
                    rank = HEADER + depth if blank_line else ATTACHED
                elif line == 0:
                    rank = MIDLINE
                elif before & kinds.HEAD or node_start == body:
                    rank = HEADER + depth
                else:
                    rank = LINE + depth
                offset = line or node_start
                if offset - boundaries.last > max_size:
                    boundaries.divide(start, end, offset, depth)
                boundaries.add(offset, rank)
            first = False
            before = role
            start, end = node_start, node_end
            # What has a body is too large, so its body is open for cuts even if it would fit.
            if (node_end - node_start > max_size or node_start == body) and (
                cursor.goto_first_child()
            ):
                depth += 1
                first = True
                body = _body_start(node)
                continue
        while not (more := cursor.goto_next_sibling()) and depth:
            cursor.goto_parent()
            depth -= 1
            first = False
            before = roles[cast("Node", cursor.node).kind_id]
    if len(data) - boundaries.last > max_size:
        boundaries.divide(start, end, len(data), depth)
    boundaries.add(len(data), LINE)
    return boundaries


def _body_start(node: Node) -> int:
    """Where the body of a node begins, of an `if` its first branch; -1 if it has none."""
    body = node.child_by_field_name("body") or node.child_by_field_name("consequence")
    return -1 if body is None else body.start_byte
