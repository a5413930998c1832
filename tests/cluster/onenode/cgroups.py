"""The cgroup that holds all pods of one cluster, on v1, hybrid and v2 machines."""

import time
from pathlib import Path

from .errors import TestbedError

REMOVE_SECONDS = 15.0


def make(name: str) -> None:
    """Make the cgroup `name` at the top of each hierarchy, with every controller of v2."""
    for kind, top in _hierarchies():
        (top / name).mkdir(exist_ok=True)
        if kind == "cgroup2":
            for folder in (top, top / name):
                _enable_all(folder)


def _enable_all(folder: Path) -> None:
    for controller in (folder / "cgroup.controllers").read_text().split():
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            # Some can't be passed on (rdma in a container); kubelet names those that it misses.
            continue


def remove(name: str) -> None:
    """Remove the cgroup `name` and all below it, waiting for its last processes to be gone."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while left := [top / name for _, top in _hierarchies() if not _removed(top / name)]:
        if time.monotonic() > deadline:
            raise TestbedError(
                f"cgroup {left[0]} is still in use after {REMOVE_SECONDS:.0f} s;"
                " see which processes its cgroup.procs files list"
            )
        time.sleep(0.05)


def present(name: str) -> list[Path]:
    """Where the cgroup `name` exists."""
    return [top / name for _, top in _hierarchies() if (top / name).exists()]


def _removed(folder: Path) -> bool:
    """Remove the tree, deepest first. False when something in it is still busy."""
    if not folder.exists():
        return True
    below = sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True)
    try:
        for child in [*below, folder]:
            child.rmdir()
    except OSError:
        return False
    return True


def _hierarchies() -> list[tuple[str, Path]]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        kind = source.split()[0]
        if kind in ("cgroup", "cgroup2"):
            found.append((kind, Path(fields.split()[4])))
    return found
