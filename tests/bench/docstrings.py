"""Questions with known answers, out of a real code base: docstrings of Python's standard library.

A function's docstring is cut out of its file; the question is the docstring's first paragraph, the
answer is the function. The sample is the same for everyone who has the same release of Python.
"""

from __future__ import annotations

import ast
import inspect
import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES, QUESTIONS = 80, 1_000
SIZES = range(4_000, 40_000)  # of a module's file in bytes: none outweighs the others
WORDS_MIN = 5  # of a question; shorter ones ask for nothing
LINES_MIN = 4  # of a function without its docstring

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Question:
    """A text, and the bytes (begin, end) of the function that answers it in its file."""

    text: str
    file: int
    begin: int
    end: int


@dataclass(frozen=True)
class Sample:
    """Files without the docstrings that are asked for, and the questions about them."""

    files: list[tuple[str, str]]  # name and text
    questions: list[Question]


def sample() -> Sample:
    """Some modules, and some questions about them."""
    chance = random.Random(0)
    library = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in sorted(library.glob("*.py")) if path.stat().st_size in SIZES]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    documented = [i for i, text in enumerate(texts) if any(map(_asks, _functions(text)))]
    files, questions = [], []
    for number, i in enumerate(sorted(chance.sample(documented, MODULES))):
        text, found = _without_docstrings(texts[i])
        files.append((paths[i].name, text))
        questions += [Question(asked, number, *_bytes(text, f)) for asked, f in found]
    return Sample(files, chance.sample(questions, min(QUESTIONS, len(questions))))


def _without_docstrings(text: str) -> tuple[str, list[tuple[str, Function]]]:
    """A module without the docstrings that make a question, and each question with its function as
    it stands in the new text."""
    lines = text.splitlines(keepends=True)
    asked: list[str | None] = []
    for function in _functions(text):
        asked.append(_question(function) if _asks(function) else None)
        if asked[-1] is not None:
            docstring = function.body[0]
            for line in range(docstring.lineno - 1, docstring.end_lineno or 0):
                lines[line] = ""
    # Without their docstrings the functions are the same, in the same order.
    new = "".join(lines)
    pairs = zip(asked, _functions(new), strict=True)
    return new, [(question, function) for question, function in pairs if question is not None]


def _functions(text: str) -> Iterator[Function]:
    return (n for n in ast.walk(ast.parse(text)) if isinstance(n, Function))


def _asks(function: Function) -> bool:
    """Whether the docstring makes a question: it says something, stands on lines of its own, and
    enough is left without it."""
    if ast.get_docstring(function) is None:
        return False
    docstring, *rest = function.body
    if not rest or docstring.lineno == function.lineno or rest[0].lineno <= _last(docstring):
        return False
    left = _last(function) - function.lineno + 1 - (_last(docstring) - docstring.lineno + 1)
    return left >= LINES_MIN and len(_question(function).split()) >= WORDS_MIN


def _question(function: Function) -> str:
    docstring = inspect.cleandoc(ast.get_docstring(function) or "")
    return " ".join(docstring.partition("\n\n")[0].split())


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _bytes(text: str, function: Function) -> tuple[int, int]:
    """The bytes of a function, from its `def` to its last character."""
    lines = text.splitlines(keepends=True)
    before_first = "".join(lines[: function.lineno - 1]).encode()
    before_last = "".join(lines[: _last(function) - 1]).encode()
    return (
        len(before_first) + function.col_offset,
        len(before_last) + (function.end_col_offset or 0),
    )
