"""Ctrl-C and SIGTERM, in a process of their own: what hangs does not keep it alive, and no child
outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

# Starts a child with a child of its own, and waits for what never comes.
HANGS = """
import sys, threading
from chroma_sync.cli.interrupts import interruptible
from chroma_sync.pipeline import children
from chroma_sync.pipeline.queues import StopSignal

stop = StopSignal()
with interruptible(stop):
    child = children.start(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=-1)
    print(child.pid, int(child.stdout.readline()), flush=True)
    stop.wait(600)
    print("stopped", flush=True)
    threading.Lock().acquire() and threading.Event().wait()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is nobody: in a container without an init nobody takes it away.
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    "signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT), (signal.SIGTERM,)]
)
def test_what_hangs_is_ended_with_its_children(signals: Sequence[signal.Signals]) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert all(map(is_alive, pids))
    first, *more = signals
    process.send_signal(first)
    assert process.stdout.readline() == "stopped\n"
    for number in more:
        process.send_signal(number)
    assert process.wait(30) == 130
    process.stdout.close()
    deadline = time.monotonic() + 10
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "a child outlives the run"
        time.sleep(0.05)
