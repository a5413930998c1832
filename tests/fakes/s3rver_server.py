"""A second S3 server, of other authors than moto: s3rver, a program of Node."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
_PINNED = Path(__file__).with_name("s3rver")
_INSTALLED = _ROOT / "build" / "s3rver"
_START_SECONDS = 60
KEYS = {"accessKeyId": "S3RVER", "secretAccessKey": "S3RVER"}


def is_possible() -> bool:
    """Whether this machine has what it needs."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


@contextmanager
def s3rver(folder: Path, bucket: str) -> Iterator[str]:
    """A server with one bucket, whose objects are files of a folder. Yields its address."""
    _install()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", "node_modules/s3rver/bin/s3rver.js", "--directory", str(folder), "--silent"]
    # It hides its place in a listing by a cipher that OpenSSL 3 has among its old ones only.
    process = subprocess.Popen(
        [*command, "--address", "127.0.0.1", "--port", str(port), "--configure-bucket", bucket],
        cwd=_INSTALLED,
        env=os.environ | {"NODE_OPTIONS": "--openssl-legacy-provider"},
        stdout=subprocess.DEVNULL,
    )
    try:
        _await(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _install() -> None:
    """Once for all tests, with the packages that the lock file names by their hashes."""
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    with (_INSTALLED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (_PINNED / "package-lock.json").read_bytes()
        done = _INSTALLED / "installed.json"
        if done.exists() and done.read_bytes() == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_PINNED / name, _INSTALLED)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(npm, cwd=_INSTALLED, check=True, timeout=240)
        done.write_bytes(wanted)


def _await(port: int) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
