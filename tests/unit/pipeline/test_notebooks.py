"""Whole runs over notebooks: what stands of them, and how well it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import LocalMiniLM, embed_long
from chroma_sync.pipeline.extract import Extractor, extractor
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.trees import commit_of, tree_of
from unit.extract.notebooks import PICTURE, code, lines, markdown, notebook, result
from unit.pipeline.stored import contents

MakeTools = Callable[..., Toolbox]
Run = Callable[..., Toolbox]
SCRIPT = '''\
import numpy as np
import matplotlib.pyplot as plt


def outliers(rain):
    """Years that are too wet to be true."""
    return rain[abs(rain - rain.mean()) > 3 * rain.std()]


def plot_trend(years, rain):
    slope, offset = np.polyfit(years, rain, 1)
    plt.plot(years, rain, ".")
    plt.plot(years, slope * years + offset)
    plt.show()


plot_trend(years, rain)
'''
QUESTIONS = (
    "which years had too much rain to be true?",
    "fit a straight line through the measurements and draw it",
    "find outliers by their distance from the mean",
)
FIGURE = result(["<Figure size 640x480 with 1 Axes>"], image_png=PICTURE)
GOOD = notebook(markdown("# Rain"), code("x = 1", result("1")))


@pytest.fixture
def run(make_tools: MakeTools, tmp_path: Path) -> Iterator[Run]:
    """Run over some files of one repository, and see that it did what its plan said."""
    shop = tmp_path / "host" / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    with serving(tmp_path / "host") as url:

        def run(files: Mapping[str, bytes], **what: Any) -> Toolbox:
            commit = commit_of(shop, tree_of(shop, files))
            told = forecast(make_tools(sha=commit, base_url=url, **what))
            model = HashModel(dimension=16)
            tools = make_tools(sha=commit, base_url=url, model=model, **what)
            steps.run(tools)
            done = tools.progress.result()
            documents = done.documents
            assert dict(told.skipped) == done.skipped
            assert told.failed.total() == documents.failed
            assert told.kept == documents.kept
            assert told.added + told.changed == documents.indexed
            assert told.texts == model.texts
            return tools

        yield run


def rows(tools: Toolbox) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The texts and metadata of each document, in order."""
    found: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}
    for id_, (text, pairs, _) in contents(tools).items():
        values, n = dict(pairs), int(id_.rpartition("-")[2])
        found.setdefault(values["document_key"], []).append((n, text, values))
    return {key: [(t, v) for _, t, v in sorted(all_)] for key, all_ in found.items()}


def test_records_of_a_notebook(run: Run) -> None:
    cells = (
        code("x = 1"),
        markdown(lines("# Rain\n\nOf the towns.")),
        code(""),
        code(SCRIPT, FIGURE),
    )
    found = rows(run({"rain.ipynb": notebook(*cells), "rain.py": SCRIPT.encode()}))
    records = found["rain.ipynb"]
    text = "x = 1\n# Rain\n\nOf the towns.\n" + SCRIPT
    assert "".join(text for text, _ in records) == text
    cells_of = [values["cell_number"] for _, values in records]
    assert cells_of == sorted(cells_of) and set(cells_of) == {1, 2, 4}
    languages = {values["cell_number"]: values["language"] for _, values in records}
    assert languages == {1: "python", 2: "markdown", 4: "python"}
    split = text.split("\n")
    for chunk, values in records:
        assert split[values["start_line"] - 1][values["start_col"] :].startswith(
            chunk.split("\n")[0]
        )
    script = [text for text, _ in found["rain.py"]]
    assert [text for text, values in records if values["cell_number"] == 4] == script
    assert all("cell_number" not in values for _, values in found["rain.py"])


def test_a_notebook_that_becomes_a_script_is_as_from_nothing(run: Run) -> None:
    """Records lose what only notebooks have."""
    run({"a.ipynb": GOOD, "b.py": b"x = 1\n"})
    monkeyed = {"a.ipynb": notebook({"cell_type": "raw", "source": "x"}), "b.py": b"x = 1\n"}
    updated = run(monkeyed, policy="Update")
    fresh = run(monkeyed, collection="fresh")
    assert contents(updated) == contents(fresh, "fresh")


def test_broken_notebooks_cost_themselves(run: Run) -> None:
    tools = run(
        {
            "good.ipynb": GOOD,
            "conflict.ipynb": b"<<<<<<< ours\n" + GOOD,
            "deep.ipynb": b"[" * 100_000,
            "wrong.ipynb": notebook(code({"a": 1})),
            "empty.ipynb": b"",
            "blank.ipynb": notebook(),
        }
    )
    assert set(rows(tools)) == {"good.ipynb"}
    result = tools.progress.result()
    assert result.skipped == {"Empty": 2}
    failures = {f.document: (f.reason, f.message) for f in result.failures}
    assert failures == {
        "conflict.ipynb": ("Malformed", "It is no notebook: it is not JSON."),
        "deep.ipynb": ("Malformed", "It is nested too deeply for a notebook."),
        "wrong.ipynb": ("Malformed", "The source of cell 1 is no text."),
    }


def test_what_stands_stays_when_this_pod_can_t_read_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes alone don't tell that: elsewhere memory or time may suffice."""
    before = rows(run({"a.ipynb": GOOD, "gone.ipynb": GOOD}))
    function = "unit.children.hostile:crash_over_all_but_small"
    hostile = replace(extractor.NOTEBOOKS, function=function)
    with monkeypatch.context() as patch:
        patch.setattr(extractor, "FAMILIES", (hostile,))
        changed = {"a.ipynb": notebook(code("y")), "new.ipynb": GOOD, "gone.ipynb": b"{" * 30}
        tools = run(changed, policy="Update")
    done = tools.progress.result().documents
    assert (done.kept, done.failed) == (2, 1)
    assert rows(tools) == before
    tools = run(changed, policy="Update")
    assert {key: [text for text, _ in found] for key, found in rows(tools).items()} == {
        "a.ipynb": ["y\n"],
        "new.ipynb": ["# Rain\n", "x = 1\n# Output:\n# 1\n"],
    }


def test_a_notebook_with_a_picture_is_found_as_well_as_its_script() -> None:
    picture = f"![trend](data:image/png;base64,{PICTURE})"
    documents = {
        "script.py": SCRIPT.encode(),
        "output.ipynb": notebook(code(lines(SCRIPT), FIGURE)),
        "inline.ipynb": notebook(markdown(picture), code(lines(SCRIPT))),
    }
    assert min(len(data) for key, data in documents.items() if key != "script.py") > 30_000
    model = LocalMiniLM()
    asked = embed_long(model, list(QUESTIONS)).vectors
    scores = {}
    with Extractor() as extract, Chunker(ChunkingConfig("tree_sitter", 4_096, None)) as chunker:
        for key, data in documents.items():
            chunks = chunker.chunk(extract.extract(key, data))
            assert len(chunks) <= 2
            vectors = embed_long(model, [chunk.text.decode() for chunk in chunks]).vectors
            scores[key] = (asked @ vectors.T).max(axis=1)
    for key in ("output.ipynb", "inline.ipynb"):
        assert (scores[key] >= 0.9 * scores["script.py"]).all(), scores
    assert np.all(scores["script.py"] > 0.2), "the questions fit"
