"""`make test-cluster`: the cluster tests, on the one-machine cluster or on one of your own.

With KUBECONFIG set, the tests run against that cluster, with the images that WORKER_IMAGE,
OPERATOR_IMAGE and FAKES_IMAGE name (tests/README.md says how to build and load them). Without, the
one-machine cluster is started, used and stopped; a cluster that was up before stays up. `--bench`
runs the operator's bench in place of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TESTBED = [sys.executable, "tests/cluster/testbed.py"]
PYTEST = str(Path(sys.executable).parent / "pytest")
# The tests of the one-machine cluster itself start and stop clusters: they run outside of it.
OUTSIDE = [PYTEST, "tests/cluster/selftest"]
INSIDE = [sys.executable, "tests/cluster/inside.py"]
BENCH = [sys.executable, "tests/bench/bench_operator.py"]
# What a fourth kind of source, of the tests' own, changes in two of the images: their programs.
FOURTH_KIND = {
    "OPERATOR_IMAGE": ("FOURTH_OPERATOR_IMAGE", "chroma_sync.controller"),
    "WORKER_IMAGE": ("FOURTH_WORKER_IMAGE", "chroma_sync.cli.worker"),
}
IMAGES = {
    "OPERATOR_IMAGE": ("operator", "images/operator/Dockerfile"),
    "WORKER_IMAGE": ("worker", "images/worker/Dockerfile"),
    "FAKES_IMAGE": ("fakes", "tests/fakes/Dockerfile"),
}


def main() -> int:
    """Returns pytest's exit code."""
    if os.environ.get("KUBECONFIG"):
        missing = [name for name in IMAGES if not os.environ.get(name)]
        if missing:
            print(f"Set {', '.join(missing)}: images that your cluster can pull or has loaded.")
            return 2
        return run(INSIDE)
    check = subprocess.run(
        [*TESTBED, "check"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False
    )
    if check.returncode != 0:
        print(f"The cluster tests were left out: {check.stdout.strip()}")
        return 1 if os.environ.get("CI") == "true" else 0
    was_up = run([*TESTBED, "status"], quiet=True) == 0
    must("preparing the test cluster", [*TESTBED, "prepare"])
    images = build_images()
    must("starting the test cluster", [*TESTBED, "up"])
    try:
        load = [*TESTBED, "image", "load", *images.values()]
        environment = os.environ | images
        if "--bench" in sys.argv:
            must("loading images", load)
            return run([*TESTBED, "exec", "--", *BENCH], environment)
        # The tests of the cluster itself need none of these images, so they load meanwhile.
        with ThreadPoolExecutor() as meanwhile:
            loaded = meanwhile.submit(must, "loading images", load)
            outside = run(OUTSIDE, environment)
            loaded.result()
        return run([*TESTBED, "exec", "--", *INSIDE], environment) or outside
    finally:
        if not was_up:
            must("stopping the test cluster", [*TESTBED, "down"])


def build_images() -> dict[str, str]:
    """Build the images; those that did not change come from the cache."""
    images: dict[str, str] = {}
    for variable, (name, dockerfile) in IMAGES.items():
        command = [*TESTBED, "image", "build", name, "--context", ".", "--file", dockerfile]
        images[variable] = must(f"building the {name} image", command).strip().splitlines()[-1]
    command = [*TESTBED, "image", "build", "worker-documents", "--context", "."]
    command += ["--file", IMAGES["WORKER_IMAGE"][1], "--build-arg", "DOCUMENTS=yes"]
    images["DOCUMENTS_IMAGE"] = must("building the image for documents", command).split()[-1]
    for base, (variable, program) in FOURTH_KIND.items():
        name, file = variable.lower().replace("_", "-"), "tests/fourth_kind/Dockerfile"
        command = [*TESTBED, "image", "build", name, "--context", ".", "--file", file]
        command += ["--build-arg", f"BASE={images[base]}", "--build-arg", f"PROGRAM={program}"]
        images[variable] = must(f"building the {name}", command).strip().splitlines()[-1]
    command = [*TESTBED, "image", "program", "versitygw"]
    images["S3_IMAGE"] = must("making the S3 server's image", command).strip().splitlines()[-1]
    return images


def must(what: str, command: list[str]) -> str:
    """Run a command that has to succeed. Returns what it printed."""
    print(f"{what} ...", flush=True)
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(f"{what}: failed")
    print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return done.stdout


def run(
    command: list[str], environment: dict[str, str] | None = None, *, quiet: bool = False
) -> int:
    """Run a command. Returns its exit code."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
