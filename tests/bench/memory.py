"""The memory of a process and all its children: bounded by a cgroup, and watched from outside."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.onenode import cgroups

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
