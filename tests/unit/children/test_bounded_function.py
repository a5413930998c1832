"""A function in a process of its own: what goes over a limit has a name and costs that question."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chroma_sync.pipeline.children import BoundedFunction, Limits, NotRunning, OverLimit, What
from chroma_sync.pipeline.children.process import BoundedProcess
from chroma_sync.pipeline.errors import Stopped

MIB = 1024**2
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=30, memory_bytes=150 * MIB, file_bytes=1000)


def bounded(name: str, limits: Limits = LIMITS) -> BoundedFunction:
    return BoundedFunction(f"unit.children.hostile:{name}", limits)


def asked(function: BoundedFunction, head: bytes = b"", data: bytes = b"") -> bytes:
    return function(head, data, 10 * MIB, bytes)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_questions_and_answers() -> None:
    with bounded("echo") as function:
        for head, data in ((b"", b""), (b"a", b"b" * 5 * MIB), (b"c" * 100_000, b"d")):
            assert asked(function, head, data) == head + data
        assert function.process is not None
        process = function.process
    assert not process.lives()


@pytest.mark.parametrize(
    ("name", "head", "what"),
    [
        ("hang", b"", What.TIME),
        ("grow", b"", What.MEMORY),
        ("swell", b"10485761", What.OUTPUT),
        ("fill", b"1001", What.CRASH),
        ("crash", b"", What.CRASH),
        ("fail", b"", What.CRASH),
    ],
)
def test_what_goes_over_a_limit_has_a_name(name: str, head: bytes, what: What) -> None:
    with bounded(name) as function, pytest.raises(OverLimit) as caught:
        asked(function, head)
    assert caught.value.what is what
    assert str(caught.value) == what.value


@pytest.mark.parametrize(("name", "head"), [("swell", b"10485760"), ("fill", b"1000")])
def test_what_just_fits(name: str, head: bytes) -> None:
    with bounded(name) as function:
        assert asked(function, head)


def test_an_answer_that_is_nonsense_is_a_crash() -> None:
    def read(answer: bytes) -> int:
        return int(answer)

    with bounded("echo") as function:
        assert function(b"1", b"2", 10, read) == 12
        with pytest.raises(OverLimit, match="crashed"):
            function(b"no", b"number", 10, read)
        assert function(b"1", b"2", 10, read) == 12


def test_all_that_it_has_started_goes_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    limits = Limits(cpu_seconds=0.5, memory_bytes=LIMITS.memory_bytes, file_bytes=1000)
    with bounded("leave_a_child", limits) as function, pytest.raises(OverLimit, match="timed out"):
        asked(function, str(pid_file).encode())
    pid = int(pid_file.read_text())
    eventually(lambda: is_gone(pid))


def test_it_has_a_home_of_its_own_that_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_API_KEY", "canary")
    with bounded("surroundings") as function:
        folder, home, names, *descriptors = asked(function).decode().split("\n")
        assert Path(folder) == Path(home).resolve()
        assert (Path(home) / "left").is_dir()
        assert "CHROMA_API_KEY" not in names.split(",")
        # A pipe that nobody reads would be full at some time.
        assert descriptors == [os.devnull, os.devnull]
    assert not Path(home).exists()


def test_a_stop_ends_a_question() -> None:
    def stop() -> None:
        raise Stopped

    function = BoundedFunction("unit.children.hostile:sleep", LIMITS, stop)
    with function, pytest.raises(Stopped):
        asked(function)
    assert function.process is None


def test_a_process_that_gets_no_time_is_no_verdict() -> None:
    with bounded("sleep", Limits(wall_seconds=0.3)) as function:
        with pytest.raises(NotRunning, match="too little CPU time"):
            asked(function)


def test_a_machine_without_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", none)
    with pytest.raises(NotRunning, match="temporarily unavailable"):
        BoundedProcess("unit.children.hostile:echo", LIMITS, lambda: None)


def test_a_function_that_is_not_there_is_no_verdict() -> None:
    function = BoundedFunction("chroma_sync.nowhere:nothing", LIMITS)
    with function, pytest.raises(NotRunning, match=r"(?s)installed\?.*No module"):
        asked(function)
