"""Parsers that hang, crash or take too much: what that costs, and what must not cost anything."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chroma_sync.pipeline.children import Limits, NotRunning
from chroma_sync.pipeline.children.process import BoundedProcess
from chroma_sync.pipeline.chunk import Chunked, Chunker, ChunkingConfig, parser
from chroma_sync.pipeline.errors import Stopped
from chroma_sync.pipeline.extract import as_text
from unit.chunk.laws import check, language_in, strategy

CONFIG = ChunkingConfig("tree_sitter", 60, None)
MIB = 1024**2
CODE = b"def first():\n    return 1\n\n\ndef second():\n    return 'two and three'\n"
# Takes about a second.
LONG = b"x = [" + b"1, " * 300_000 + b"]\n"
# COBOL's grammar never returns from this.
HANGS = b"x\n" * 40


def process_of(chunker: Chunker) -> BoundedProcess:
    process = chunker._parser.function.process
    assert process is not None
    return process


def pid_of(chunker: Chunker) -> int:
    return process_of(chunker).pid


@pytest.fixture
def chunker() -> Iterator[Chunker]:
    """One whose child runs already."""
    with Chunker(CONFIG, Limits(wall_seconds=60)) as made:
        made.chunk(as_text("a.py", CODE))
        yield made


def while_it_parses(chunker: Chunker, act: Callable[[int], None]) -> Chunked:
    """Cuts `LONG` and meanwhile does something to the child."""
    actor = threading.Timer(0.2, act, [pid_of(chunker)])
    actor.start()
    try:
        return chunker.chunk(as_text("long.py", LONG))
    finally:
        actor.join()


def kill_when_asked(patch: pytest.MonkeyPatch, is_hit: Callable[[bytes], bool]) -> None:
    """Kills each process that is asked for one of these texts."""

    def killed(process: BoundedProcess, head: bytes, data: bytes, most: int) -> bytes:
        if is_hit(data):
            process._process.kill()
            process._process.wait()
        return ask(process, head, data, most)

    ask = BoundedProcess.ask
    patch.setattr(BoundedProcess, "ask", killed)


def test_a_grammar_that_hangs_costs_the_file_its_syntax() -> None:
    with Chunker(CONFIG, Limits(cpu_seconds=0.5)) as chunker:
        start = time.monotonic()
        chunked = chunker.chunk(as_text("a.cbl", HANGS))
        assert time.monotonic() - start < 20
        check(chunked, HANGS, CONFIG)
        assert (strategy(chunked), chunked.fallback) == ("lines", "parser timed out")
        assert language_in(chunked) == "cobol"
        after = chunker.chunk(as_text("a.py", CODE))
        assert (strategy(after), after.fallback) == ("tree_sitter", None)


def test_time_that_the_parser_does_not_run_does_not_count() -> None:
    def stop_for_a_while(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(pid, signal.SIGCONT)

    with Chunker(CONFIG, Limits(cpu_seconds=4)) as chunker:
        undisturbed = chunker.chunk(as_text("long.py", LONG))
        assert undisturbed.fallback is None
        start = time.monotonic()
        assert while_it_parses(chunker, stop_for_a_while) == undisturbed
        assert time.monotonic() - start > 4, "it was stopped after its parse"


def test_the_wall_clock_alone_decides_on_no_cut() -> None:
    with Chunker(CONFIG, Limits(cpu_seconds=60, wall_seconds=1)) as chunker:
        undisturbed = chunker.chunk(as_text("a.py", CODE))
        stopped = pid_of(chunker)
        os.kill(stopped, signal.SIGSTOP)
        assert chunker.chunk(as_text("a.py", CODE)) == undisturbed
        assert pid_of(chunker) != stopped
        with pytest.raises(NotRunning, match="too little CPU time"):
            chunker.chunk(as_text("a.cbl", HANGS))


def test_a_child_that_is_killed_costs_nothing(chunker: Chunker) -> None:
    undisturbed = chunker.chunk(as_text("long.py", LONG))
    killed = pid_of(chunker)
    assert while_it_parses(chunker, lambda pid: os.kill(pid, signal.SIGKILL)) == undisturbed
    assert pid_of(chunker) != killed, "it was killed after its parse"
    os.kill(pid_of(chunker), signal.SIGKILL)
    assert chunker.chunk(as_text("long.py", LONG)) == undisturbed


def test_a_parser_that_crashes_each_time_costs_the_file_its_syntax(
    chunker: Chunker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_when_asked(patch, lambda data: data == CODE)
        hit = chunker.chunk(as_text("a.py", CODE))
    check(hit, CODE, CONFIG)
    assert (strategy(hit), hit.fallback) == ("lines", "parser crashed")
    assert chunker.chunk(as_text("a.py", CODE)).fallback is None


def test_where_every_parser_is_killed_no_text_is_to_blame(
    chunker: Chunker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system does when memory runs out."""
    undisturbed = chunker.chunk(as_text("a.py", CODE))
    with monkeypatch.context() as patch:
        kill_when_asked(patch, lambda _: True)
        with pytest.raises(
            NotRunning, match=r"No text in python .* not even an empty one: crashed"
        ):
            chunker.chunk(as_text("a.py", CODE))
    assert chunker.chunk(as_text("a.py", CODE)) == undisturbed


@pytest.mark.parametrize("name", ["crash", "hang", "grow"])
def test_where_no_text_can_be_parsed_none_is_to_blame(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "_FUNCTION", f"unit.children.hostile:{name}")
    limits = Limits(cpu_seconds=0.3, memory_bytes=100 * MIB)
    with Chunker(CONFIG, limits) as made, pytest.raises(NotRunning, match="not even an empty one"):
        made.chunk(as_text("a.py", CODE))


def test_a_parse_is_bounded_in_memory() -> None:
    data = b"x = [" + b"1, " * 1_000_000 + b"]\n"
    with Chunker(CONFIG, Limits(memory_bytes=150 * MIB, cpu_seconds=60)) as chunker:
        chunked = chunker.chunk(as_text("a.py", data))
        check(chunked, data, CONFIG)
        assert (strategy(chunked), chunked.fallback) == ("lines", "parser out of memory")
        assert strategy(chunker.chunk(as_text("b.py", CODE))) == "tree_sitter"


def test_a_file_whose_tree_can_never_fit_is_not_parsed() -> None:
    data = b"x = 1\n" * 10_000
    with Chunker(CONFIG, Limits(memory_bytes=8 * len(data) - 1)) as chunker:
        chunked = chunker.chunk(as_text("a.py", data))
        assert chunker._parser.function.process is None
    assert chunked.fallback == "parser out of memory"


def test_a_stop_ends_a_parse() -> None:
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 0.3:
            raise Stopped

    with Chunker(CONFIG, Limits(cpu_seconds=60), check) as chunker:
        with pytest.raises(Stopped):
            chunker.chunk(as_text("a.cob", HANGS))
        assert not process_of(chunker).lives()
    assert time.monotonic() - began < 20
