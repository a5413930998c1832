"""Files that give up their syntax under the bounds of one pod, and what a pod with others does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.index.records import GAVE_UP_AT
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]
# big.py is never parsed with less than eight times its size; the others fit into a chunk.
TINY, SMALL, AMPLE = Limits(memory_bytes=10_000), Limits(memory_bytes=20_000), Limits()


def strategies(tools: Toolbox) -> dict[str, set[tuple[str, int | None]]]:
    """How the chunks of each document were cut, and the bound that they gave up at."""
    found: dict[str, set[tuple[str, int | None]]] = {}
    for _, pairs, _ in contents(tools).values():
        values = dict(pairs)
        way = (values["chunk_strategy"], values.get(GAVE_UP_AT))
        found.setdefault(values["document_key"], set()).add(way)
    return found


def updated(make_tools: MakeTools, limits: Limits, policy: str = "Update") -> tuple[Toolbox, int]:
    """After a run with these limits, with how many texts it embedded."""
    planning = make_tools(policy=policy)
    planning.parser_limits = limits
    told = forecast(planning)
    model = HashModel(dimension=16)
    tools = make_tools(policy=policy, model=model)
    tools.parser_limits = limits
    steps.run(tools)
    done = tools.progress.result()
    assert (told.unchanged, told.texts) == (done.documents.unchanged, model.texts)
    assert metadata(tools)["finished_ingest"] is True
    return tools, model.texts


def test_a_file_that_gave_up_is_looked_at_again_where_a_parse_may_take_more(
    make_tools: MakeTools,
) -> None:
    tools, _ = updated(make_tools, SMALL, "Create")
    gave_up = strategies(tools)
    assert gave_up["big.py"] == {("lines", SMALL.memory_bytes)}
    assert gave_up["small.md"] == {("tree_sitter", None)}
    assert gave_up["same.txt"] == {("lines", None)}

    tools, texts = updated(make_tools, AMPLE)
    assert strategies(tools) == gave_up | {"big.py": {("tree_sitter", None)}}
    assert tools.progress.result().documents.unchanged == 2
    assert texts > 0
    fresh = make_tools(collection="fresh")
    steps.run(fresh)
    assert contents(tools) == contents(fresh, "fresh")


@pytest.mark.parametrize(
    ("before", "after", "looked_at"),
    [
        (SMALL, SMALL, 0),
        (SMALL, TINY, 0),
        (TINY, SMALL, 1),  # and given up again: by then the records say where
        (AMPLE, SMALL, 0),
        (AMPLE, Limits(memory_bytes=2 * AMPLE.memory_bytes), 0),
        (SMALL, Limits(cpu_seconds=20, memory_bytes=SMALL.memory_bytes), 1),
        (AMPLE, Limits(cpu_seconds=20), 0),
    ],
)
def test_other_bounds_embed_nothing_anew(
    make_tools: MakeTools, before: Limits, after: Limits, looked_at: int
) -> None:
    updated(make_tools, before, "Create")
    tools, texts = updated(make_tools, after)
    assert texts == 0
    assert tools.progress.result().documents.unchanged == 3 - looked_at
    if looked_at:
        assert strategies(tools)["big.py"] == {("lines", after.memory_bytes)}
        _, texts = updated(make_tools, after)
        assert texts == 0


def test_pods_of_one_run_may_have_different_memory(make_tools: MakeTools) -> None:
    """As the smaller pods that plan and finish a run in parts have."""
    for work, finish, way in (
        (AMPLE, SMALL, ("tree_sitter", None)),
        (SMALL, AMPLE, ("tree_sitter", None)),
        (SMALL, TINY, ("lines", SMALL.memory_bytes)),
    ):
        collection = f"of-{work.memory_bytes}-{finish.memory_bytes}"
        for step, limits in ((steps.plan, TINY), (steps.work, work), (steps.finish, finish)):
            tools = make_tools(run="r", collection=collection)
            tools.parser_limits = limits
            step(tools)
        assert metadata(tools, collection)["finished_ingest"] is True
        rows = [dict(pairs) for _, pairs, _ in contents(tools, collection).values()]
        big = [row for row in rows if row["document_key"] == "big.py"]
        assert {(row["chunk_strategy"], row.get(GAVE_UP_AT)) for row in big} == {way}
