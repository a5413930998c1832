"""Runs the cluster tests where kubectl, Helm and the cluster's addresses are at hand.

The operator and the servers that runs need are installed once, for all processes of tests. Tests
that wait for their own runs only go side by side; those that disturb what all share go alone.
Arguments are handed to pytest, which then runs once: `inside.py tests/cluster/test_runs.py -q`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from cluster.kit import installation, servers  # noqa: E402 - found only with the path above
from cluster.kit.cluster import Cluster, kubectl_proxy  # noqa: E402

PYTEST = [str(Path(sys.executable).parent / "pytest"), "--durations=15"]
ALL = ["tests/cluster", "--ignore=tests/cluster/selftest"]
SIDE_BY_SIDE = [*ALL, "-m", "not disturbs", "-n", "4"]  # conftest.py says which go together
ALONE = [*ALL, "-m", "disturbs"]


@contextmanager
def installed() -> Iterator[None]:
    """The operator is installed by Helm, and its servers answer."""
    with kubectl_proxy() as proxy, Cluster(proxy) as cluster:
        servers.start(cluster, installation.image("FAKES_IMAGE"))
        operator, worker = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
        installation.install(cluster, operator, worker)
        yield
        installation.uninstall(cluster)
        servers.stop(cluster)


def main(arguments: list[str]) -> int:
    """Returns pytest's exit code, the first that is not 0."""
    parts = [arguments] if arguments else [SIDE_BY_SIDE, ALONE]
    with installed():
        codes = [
            subprocess.run([*PYTEST, *part], cwd=ROOT, check=False).returncode for part in parts
        ]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
