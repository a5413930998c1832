"""What kinds of syntax nodes mean for cutting, told from their names alone.

The grammars agree on little, but anonymous nodes (tokens) are named by their own text, and
comments have "comment" in their name.
"""

from __future__ import annotations

PLAIN = 0
GLUED = 1  # belongs to what stands before it: closing brackets, separators
HEAD = 2  # what follows belongs to it, if not firmly: opening brackets, keywords, headings
COMMENT = 4  # belongs to what follows; behind something on its line, to that
LEADING = 8  # belongs to what follows: decorators, attributes

_CLOSING = {
    *(")", "]", "}", ">", "/>", "%>", "?>", "|]", "end", "fi", "done", "esac"),
    *("endif", "endwhile", "endfor", "endforeach", "endswitch", "endfunction", "endmodule"),
}
_SEPARATING = {",", ";", ";;", "\n", "\r\n"}
_OPENING = {"(", "[", "{", ":", "then", "do", "begin", "is", "of"}

_NAMED: dict[str, int] = {
    # HTML, Vue, XML and JSX elements
    "start_tag": HEAD,
    "STag": HEAD,
    "jsx_opening_element": HEAD,
    "end_tag": GLUED,
    "ETag": GLUED,
    "jsx_closing_element": GLUED,
    # Markdown
    "atx_heading": HEAD,
    "setext_heading": HEAD,
    "pipe_table_header": HEAD,
    "pipe_table_delimiter_row": GLUED | HEAD,
    "fenced_code_block_delimiter": GLUED | HEAD,
    "info_string": GLUED | HEAD,
    # INI
    "section_name": HEAD,
    # heredocs and docstrings
    "heredoc_end": GLUED,
    "string_start": HEAD,
    "string_end": GLUED,
    # Rust, TypeScript, Dart
    "attribute_item": LEADING,
    "decorator": LEADING,
    "annotation": LEADING,
    "marker_annotation": LEADING,
}

# Names that mean this only in one language.
_NAMED_IN: dict[str, dict[str, int]] = {
    "dart": {"function_signature": LEADING, "method_signature": LEADING},
    "elixir": {"unary_operator": LEADING},  # @doc, @spec
    "elm": {"type_annotation": LEADING},
    "erlang": {"spec": LEADING},
    "haskell": {"signature": LEADING},
}


def role(language: str, name: str, named: bool) -> int:
    """The role of a kind of node: a sum of the flags above."""
    if not named:
        if name in _CLOSING or name in _SEPARATING:
            return GLUED
        return GLUED | HEAD if name in _OPENING else HEAD
    if "comment" in name:
        return COMMENT
    return _NAMED_IN.get(language, {}).get(name) or _NAMED.get(name, PLAIN)
