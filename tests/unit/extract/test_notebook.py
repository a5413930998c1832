"""What a notebook's text is, and what its parts are."""

from __future__ import annotations

import json

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import NotExtracted
from chroma_sync.pipeline.extract.answers import unpack
from chroma_sync.pipeline.extract.notebook import CELLS_MAX, answer
from chroma_sync.pipeline.text import Text
from fakes import web_project
from unit.extract.notebooks import (
    PICTURE,
    code,
    lines,
    markdown,
    notebook,
    result,
    whole,
)


def text_of(data: bytes) -> Text:
    found = unpack(answer(b"", data))
    assert isinstance(found, Text)
    return found


def parts_of(data: bytes) -> list[tuple[str, str | None, object]]:
    """Text, language and number of each cell."""
    text = text_of(data)
    assert b"".join(text.data[p.start : p.end] for p in text.parts) == text.data
    return [
        (text.data[p.start : p.end].decode(), p.language, p.metadata["cell_number"])
        for p in text.parts
    ]


def test_cells_in_their_order() -> None:
    data = notebook(
        markdown(lines("# Rain\nOf the towns.")),
        code("import numpy as np\n"),
        code("  \n"),
        {"cell_type": "raw", "source": "as it is"},
        code(lines("x = 1\nx + 1"), result("2")),
    )
    assert parts_of(data) == [
        ("# Rain\nOf the towns.\n", "markdown", 1),
        ("import numpy as np\n", "python", 2),
        ("as it is\n", None, 4),
        ("x = 1\nx + 1\n# Output:\n# 2\n", "python", 5),
    ]


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"language_info": {"name": "python"}}, "python"),
        ({"language_info": {"name": "R"}}, "r"),
        ({"language_info": {"name": "C++17"}}, "cpp"),
        ({"language_info": {"name": "polyglot"}, "kernelspec": {"language": "C#"}}, "csharp"),
        ({"kernelspec": {"language": "julia", "name": "julia-1.9"}}, "julia"),
        ({"kernelspec": {"name": "julia-1.9"}}, "julia"),
        ({"kernelspec": {"name": "python3"}}, "python"),
        ({"kernelspec": {"name": "ir"}}, "r"),
        ({"kernelspec": {"name": "bash"}}, "bash"),
        ({"language_info": {"name": "of nobody"}}, None),
        ({"language_info": {"name": "python" * 10_000}}, None),
        ({"language_info": ["python"], "kernelspec": {"name": 3}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_code_is_in_the_language_of_the_kernel(metadata: object, language: str | None) -> None:
    assert parts_of(notebook(code("x"), metadata=metadata)) == [("x\n", language, 1)]


def test_results_are_short_texts_only() -> None:
    streams = {"output_type": "stream", "name": "stdout", "text": ["printed\n"]}
    outputs = (
        *(result("0.93"), result(["a  b\n", "1  2"], text_html="<table>")),
        *(result("x" * 501), result("<Figure size 640x480 with 1 Axes>", image_png=PICTURE)),
        *(result("[<matplotlib.lines.Line2D at 0x7f>]"), result(["no", 1]), result(None)),
        *(streams, "wrong", {"data": "wrong"}, {"output_type": "error", "traceback": ["no"]}),
    )
    ((text, _, _),) = parts_of(notebook(code("x", *outputs)))
    assert text == "x\n# Output:\n# 0.93\n# a  b\n# 1  2\n"
    unknown = notebook(code("x", result("1")), metadata={})
    assert parts_of(unknown) == [("x\n", None, 1)]
    assert parts_of(notebook(code("x", outputs="wrong"))) == [("x\n", "python", 1)]


def test_pictures_in_markdown_are_left_out() -> None:
    source = f"Before\n![rain](data:image/png;base64,{PICTURE})\nafter `data:`"
    pasted = markdown(source) | {"attachments": {"a.png": {"image/png": PICTURE}}}
    ((text, _, _),) = parts_of(notebook(pasted))
    assert text == "Before\n![rain](data:image/png;base64,)\nafter `data:`\n"


def test_characters_that_texts_lack() -> None:
    ((text, _, _),) = parts_of(notebook(code("a\0b \ud800 \U0001f327 ü")))
    assert text == "a\ufffdb \ufffd \U0001f327 ü\n"
    with_mark = b"\xef\xbb\xbf" + notebook(code("x"))
    assert parts_of(with_mark) == [("x\n", "python", 1)]


def test_version_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Rain"]},
        {"cell_type": "heading", "level": "wrong", "source": "Snow"},
        {
            "cell_type": "code",
            "input": ["x"],
            "language": "python",
            "outputs": [{"output_type": "pyout", "text": ["2"]}],
        },
    ]
    document = {"worksheets": [{"cells": cells[:1]}, {"cells": cells[1:]}], "nbformat": 3}
    assert parts_of(whole(document)) == [
        ("## Rain\n", "markdown", 1),
        ("# Snow\n", "markdown", 2),
        ("x\n# Output:\n# 2\n", "python", 3),
    ]


def test_a_notebook_without_any_text() -> None:
    for data in (notebook(), notebook(code(""), markdown(" \n"))):
        assert text_of(data) == Text(b"", ())


def test_the_notebook_of_the_small_web_project() -> None:
    data = web_project.files()["notebooks/rain.ipynb"].data
    sources = ["".join(cell["source"]) + "\n" for cell in json.loads(data)["cells"]]
    assert len(data) > 160_000
    assert text_of(data).data.decode() == "".join(sources)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"<<<<<<< HEAD\n" + notebook(), "not JSON"),
        (notebook(code("x"))[:-20], "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"cells": [' + b'{"a":' * 100_000, "nested too deeply"),
        (b"[]", "no JSON object"),
        (b"{}", "no list of cells"),
        (whole({"cells": {"1": code("x")}}), "no list of cells"),
        (whole({"worksheets": "no"}), "no list of cells"),
        (whole({"worksheets": [{"cells": []}, {}]}), "no list of cells"),
        (notebook(code("x"), "cell"), "Cell 2 is no JSON object"),
        (notebook(code(["x", 1])), "source of cell 1 is no text"),
        (notebook(code({"x": 1})), "source of cell 1 is no text"),
        (notebook(code(None)), "source of cell 1 is no text"),
    ],
)
def test_what_is_no_notebook_says_why(data: bytes, says: str) -> None:
    found = unpack(answer(b"", data))
    assert isinstance(found, NotExtracted)
    assert (found.reason, found.is_final) == (DocumentReason.MALFORMED, True)
    assert says in str(found)


def test_a_notebook_of_too_many_cells() -> None:
    assert len(parts_of(notebook(*[code("x")] * CELLS_MAX))) == CELLS_MAX
    found = unpack(answer(b"", notebook(*[code("x")] * (CELLS_MAX + 1))))
    assert isinstance(found, NotExtracted)
    assert found.reason is DocumentReason.EXTRACTED_TOO_LARGE


def test_a_number_that_is_long_costs_nothing() -> None:
    data = notebook(code("x"))[:-1] + b', "n": ' + b"9" * 1_000_000 + b"}"
    assert parts_of(data) == [("x\n", "python", 1)]
