"""How much memory a child may take, so that it dies before the container it lives in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_BYTES = 1024**3
_SHARE = 0.5


def memory_share(share: float = _SHARE, root: Path = Path("/")) -> int:
    """A bound on an address space in bytes: 1 GiB, or this share of the container's limit where
    that is less. What all children together leave of it is for the worker itself. `root` is where
    the system's files are."""
    limits = (limit for file in _limit_files(root) if (limit := _number(file)) is not None)
    limit = min(limits, default=None)
    return MOST_BYTES if limit is None else min(MOST_BYTES, int(share * limit))


def _limit_files(root: Path) -> Iterator[Path]:
    """Where this process's control groups and the groups around them keep their limits.

    A container often sees its own group as the root, under whatever name the host has for it: so
    some of the files may not exist.
    """
    mounted = root / "sys/fs/cgroup"
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:  # version 2
                folder, name = mounted, "memory.max"
            elif "memory" in controllers.split(","):  # version 1
                folder, name = mounted / "memory", "memory.limit_in_bytes"
            else:
                continue
            group = PurePosixPath(path.lstrip("/"))
            for part in (group, *group.parents):
                yield folder / part / name


def _number(file: Path) -> int | None:
    """The number in a file; None if there is none: "max" means no limit."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
