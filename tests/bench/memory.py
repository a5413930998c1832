"""The memory of a process and all its children: bounded by a cgroup, and watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.onenode import cgroups

MIB = 1024 * 1024
_LIMIT_FILES = ("memory.limit_in_bytes", "memory.max")  # of cgroup v1, of v2
_TICK_SECONDS = 0.1


@contextmanager
def limited(limit: int) -> Iterator[Path | None]:
    """A cgroup whose processes get so many bytes together, page cache included, or are killed.
    Yields the file that takes the number of a process; None where cgroups can't be made."""
    name = f"chroma-sync-bench-{os.getpid()}"
    try:
        cgroups.make(name)
        files = [folder / file for folder in cgroups.present(name) for file in _LIMIT_FILES]
        limits = [file for file in files if file.exists()]
        for file in limits:
            file.write_text(str(limit))
        yield limits[0].parent / "cgroup.procs" if limits else None
    except PermissionError:
        yield None
    finally:
        cgroups.remove(name)


@dataclass(frozen=True)
class Measured:
    """A program that has ended: what it printed last, as JSON; the `peaks` of its memory (see
    `Watch`); and in words what it was bound to."""

    printed: dict[str, Any]
    peaks: Counter[str]
    bound: str


def measured(limit: int, file: str, *arguments: str) -> Measured:
    """Run a bench's file in a process of its own, which gets so many bytes of memory."""
    with limited(limit) as group:
        command = [sys.executable, file, *arguments]
        if group is not None:  # from before Python's start
            command = ["sh", "-c", f'echo $$ > {group} && exec "$@"', "sh", *command]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
            Watch(process.pid) as watch,
        ):
            assert process.stdout is not None
            printed = process.stdout.read()
        assert process.returncode == 0, "it was killed or failed"
    bound = f"{limit // MIB} MiB" if group is not None else "none: cgroups can't be made here"
    return Measured(json.loads(printed.splitlines()[-1]), watch.peaks, bound)


class Watch:
    """Looks again and again at a process and all that it has started. `peaks` holds the most bytes
    that each kind of process, and all `together`, had at one moment. What is counted is anonymous
    memory: the files that git maps are given back when memory is short."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.peaks: Counter[str] = Counter()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            now: Counter[str] = Counter()
            for pid in _tree(self._pid):
                try:
                    now[_kind(pid)] += _anonymous(pid)
                except (OSError, KeyError):  # it ended just now
                    continue
            now["together"] = now.total()
            self.peaks |= now


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:  # the thread ended just now
            continue
        for child in children:
            yield from _tree(int(child))


def _kind(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    if command.partition(b"\0")[0].rpartition(b"/")[2].startswith(b"git"):
        return "git"
    return "parser" if b"chunk.syntax" in command else "worker"


def _anonymous(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["RssAnon"].split()[0]) * 1024
