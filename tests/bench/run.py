"""`make bench`: speed and memory, in tables. These are measurements, not tests.

`run.py NAME` runs bench_NAME alone: those take minutes, and `make bench-NAME` asks for them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])


def main() -> int:
    """One bench, or the worker's and the operator's."""
    if len(sys.argv) > 1:
        import_module(f"bench.bench_{sys.argv[1]}").main()
        return 0
    return everyday()


def everyday() -> int:
    """The worker here, the operator on the test cluster when it is up."""
    from bench import bench_worker

    bench_worker.main()
    testbed = [sys.executable, "tests/cluster/testbed.py"]
    status = subprocess.run(
        [*testbed, "status"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if status.returncode != 0:
        print("\nThe operator's table needs the test cluster: `make cluster-up`, then again.")
        return 0
    return subprocess.run(
        [sys.executable, "tests/cluster/run.py", "--bench"], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
