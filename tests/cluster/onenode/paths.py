"""Where things live: the cache, which may be lost at any time, and a cluster's state folder."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import TestbedError

SOURCE = Path(__file__).resolve().parent.parent
# Folders that get a private file system inside the cluster's mount namespace.
SHADOWED = (Path("/run"), Path("/var/lib"), Path("/var/log"), Path("/proc"), Path("/sys"))


def cache_root() -> Path:
    """The cache: `CHROMA_SYNC_CACHE`, else `~/.cache/chroma-sync`. Made when missing."""
    root = Path(os.environ.get("CHROMA_SYNC_CACHE") or Path.home() / ".cache" / "chroma-sync")
    return _usable(root, "CHROMA_SYNC_CACHE")


def _usable(folder: Path, variable: str) -> Path:
    folder = folder.absolute()
    hidden = [str(top) for top in SHADOWED if folder.resolve().is_relative_to(top)]
    if hidden:
        raise TestbedError(
            f"{variable}: {folder} lies under {hidden[0]}, which the cluster hides from itself;"
            " choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Cluster:
    """One cluster: its state folder and the names derived from it."""

    state: Path

    @classmethod
    def from_environment(cls) -> "Cluster":
        """The cluster at `CHROMA_SYNC_CLUSTER_DIR`, else at the cache's folder `cluster`."""
        chosen = os.environ.get("CHROMA_SYNC_CLUSTER_DIR")
        state = Path(chosen) if chosen else cache_root() / "cluster"
        _usable(state.absolute().parent, "CHROMA_SYNC_CLUSTER_DIR")
        return cls(state.absolute().parent.resolve() / state.name)

    @property
    def cgroup(self) -> str:
        """The name of the cgroup under which all of this cluster's pods live."""
        return "chroma-sync-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def record(self) -> Path:
        """Which process is this cluster; written before it starts anything."""
        return self.state / "cluster.json"

    @property
    def phase(self) -> Path:
        """What the first process reports about itself and its components."""
        return self.state / "phase.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def bin(self) -> Path:
        return self.state / "bin"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the machine-wide lock `name` (a file in the cache), waiting for whoever has it."""
    folder = cache_root() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
