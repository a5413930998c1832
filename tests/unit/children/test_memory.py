"""The bound on a child's memory, told from control groups of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.pipeline.children.memory import MOST_BYTES, memory_share

MIB = 1024**2
UNLIMITED_IN_V1 = "9223372036854771712\n"


@pytest.mark.parametrize(
    ("groups", "files", "bound"),
    [
        pytest.param("", {}, MOST_BYTES, id="none"),
        pytest.param("0::/\n", {"memory.max": "max\n"}, MOST_BYTES, id="v2, unlimited"),
        pytest.param("0::/\n", {"memory.max": f"{8192 * MIB}\n"}, MOST_BYTES, id="v2, ample"),
        pytest.param("0::/\n", {"memory.max": f"{512 * MIB}\n"}, 256 * MIB, id="v2, own root"),
        pytest.param(
            "0::/pods/a\n",
            {"pods/a/memory.max": "max\n", "pods/memory.max": f"{600 * MIB}\n"},
            300 * MIB,
            id="v2, limit of the group around",
        ),
        pytest.param(
            "0::/pods/a\n", {"memory.max": f"{512 * MIB}\n"}, 256 * MIB, id="v2, the host's name"
        ),
        pytest.param(
            "7:cpu:/x\n4:memory:/pods/a\n0::/\n",
            {
                "memory/pods/a/memory.limit_in_bytes": f"{512 * MIB}\n",
                "memory/memory.limit_in_bytes": UNLIMITED_IN_V1,
            },
            256 * MIB,
            id="v1",
        ),
        pytest.param(
            "4:hugetlb,memory:/kubepods/b\n",
            {"memory/memory.limit_in_bytes": f"{400 * MIB}\n"},
            200 * MIB,
            id="v1, the host's name",
        ),
        pytest.param(
            "4:memory:/\n",
            {"memory/memory.limit_in_bytes": UNLIMITED_IN_V1},
            MOST_BYTES,
            id="v1, unlimited",
        ),
    ],
)
def test_half_of_the_containers_limit(
    tmp_path: Path, groups: str, files: dict[str, str], bound: int
) -> None:
    _write(tmp_path / "proc/self/cgroup", groups)
    for name, text in files.items():
        _write(tmp_path / "sys/fs/cgroup" / name, text)
    assert memory_share(root=tmp_path) == bound
    assert memory_share(0.25, tmp_path) == (bound // 2 if bound < MOST_BYTES else bound)


def test_a_system_without_control_groups(tmp_path: Path) -> None:
    assert memory_share(root=tmp_path) == MOST_BYTES


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
