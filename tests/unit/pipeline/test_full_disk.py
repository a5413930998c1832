"""A scratch folder on a disk that is really full, wherever in a run of git it fills up."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.cli.outcome import as_step_error
from chroma_sync.pipeline.fetch.git.connector import GitConnector
from unit.pipeline.git_kit import served_tree, source

MakeDisk = Callable[[int], Path]


def files(count: int) -> dict[str, bytes]:
    many = {f"{i}.bin": random.Random(i).randbytes(500) for i in range(count)}
    return {".gitattributes": b"*.gen linguist-generated\n", **many}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Makes a disk of so many pages of 4 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def make(pages: int) -> Path:
        size = f"size={pages * 4096}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(mounted)], check=True)
        return mounted

    yield make
    subprocess.run(["umount", str(mounted)], check=False)


def read_all(git: GitConnector, commit: str) -> str:
    """Which step of reading a repository finds the disk full; nothing when all is read."""
    step = "open"
    try:
        git.prepare(commit)
        step = "list"
        entries = list(git.refs())
        step = "read"
        assert all(git.open(entry, None).body for entry in entries)
    except Exception as error:
        known = as_step_error(error)
        assert known is not None, error
        assert known.reason is Reason.SCRATCH_FULL, str(known)
        return step
    finally:
        git.close()
    return ""


# git unpacks a small pack, and keeps a large one.
@pytest.mark.parametrize("count", [20, 150])
def test_a_disk_of_any_size(disk: MakeDisk, tmp_path: Path, count: int) -> None:
    """Until everything fits, whatever meets the end of the disk says that it is full."""
    found: list[str] = []
    with served_tree(tmp_path, files(count)) as (url, commit):
        while "" not in found:
            assert len(found) < 100
            folder = disk(1 + len(found))
            found.append(read_all(source(url, folder), commit))
            subprocess.run(["umount", str(folder)], check=True)
    assert {"open", "list"} <= set(found)


def test_files_are_read_from_a_full_disk(disk: MakeDisk, tmp_path: Path) -> None:
    """Reading needs no room."""
    texts = files(20)
    with served_tree(tmp_path, texts) as (url, commit):
        folder = disk(100)
        git = source(url, folder)
        git.prepare(commit)
        entries = list(git.refs())
        with pytest.raises(OSError, match="No space left"), (folder / "fill").open("wb") as fill:
            while True:
                fill.write(b"0" * 4096)
        assert {e.key: git.open(e, None).body for e in entries} == texts
        git.close()
