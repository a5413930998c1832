"""Buckets: small objects a second beside a bare loop of boto3 with as many threads, and what a
listing takes. The server is a small one of this file, in a process of its own; it answers after a
latency.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import boto3
from botocore.config import Config

from bench.kit import child
from chroma_sync.pipeline.body import size_of
from chroma_sync.pipeline.fetch import Opened, Ref
from chroma_sync.pipeline.fetch.s3.connector import S3Connector
from fakes.proxy import ProxyHandler
from fakes.s3_server import KEYS
from unit.pipeline.s3.kit import bucket

_OBJECTS = 3_000
_LATENCIES = (0.0, 0.05)  # seconds
_ROUNDS = 5
_LISTED = (1_000, 100_000)
_PAGE = 1_000


class _Bucket(ThreadingHTTPServer):
    """A bucket `papers` of small objects."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, count: int, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.count = count
        self.latency = latency


class _Handler(ProxyHandler):
    server: _Bucket
    wbufsize = 65_536  # an answer is one packet: none waits for an acknowledgement

    def _answer(self) -> None:
        time.sleep(self.server.latency)
        path, _, question = self.path.partition("?")
        asked = parse_qs(question)
        listing = "list-type" in asked
        start = int(asked.get("continuation-token", ["0"])[0])
        data = self._page(start) if listing else _text(int(path.rpartition("/")[2][:7]))
        self.send_response_only(200)
        self.send_header("Content-Type", "application/xml" if listing else "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{path}"')
        self.end_headers()
        self.wfile.write(data)

    def _page(self, start: int) -> bytes:
        end = min(start + _PAGE, self.server.count)
        objects = "".join(
            f"<Contents><Key>{n:07}.txt</Key><ETag>&quot;/papers/{n:07}.txt&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<Size>{len(_text(n))}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(start, end)
        )
        more = end < self.server.count
        token = f"<NextContinuationToken>{end}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>papers</Name><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{objects}</ListBucketResult>"
        ).encode()


def _text(n: int) -> bytes:
    return b"".join(b"object %07d, line %02d\n" % (n, line) for line in range(40))


@contextmanager
def _serving(count: int, latency: float) -> Iterator[str]:
    command = [sys.executable, __file__, "serve", str(count), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def _rate(lanes: int, read: Callable[[Ref], int], refs: Iterable[Ref]) -> dict[str, float]:
    start, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(lanes) as threads:
        sizes = list(threads.map(read, refs))
    seconds = time.monotonic() - start
    return {
        "objects": len(sizes) / seconds,
        "megabytes": sum(sizes) / seconds / 1e6,
        "cpu": (time.process_time() - cpu) / len(sizes) * 1e3,
    }


def _opened(connector: S3Connector, ref: Ref) -> int:
    outcome = connector.open(ref, None)
    assert isinstance(outcome, Opened)
    return size_of(outcome.body)


def _read(kind: str, latency: float) -> dict[str, float]:
    """Read all objects in one way."""
    with _serving(_OBJECTS, latency) as url, tempfile.TemporaryDirectory() as scratch:
        connector = bucket(url, Path(scratch))
        refs, lanes = list(connector.refs()), connector.lanes
        if kind == "connector":
            return _rate(lanes, lambda ref: _opened(connector, ref), refs)
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["accessKeyId"],
            aws_secret_access_key=KEYS["secretAccessKey"],
            config=Config(max_pool_connections=lanes, s3={"addressing_style": "path"}),
        )
        client.list_objects_v2(Bucket="papers", MaxKeys=1)

        def read(ref: Ref) -> int:
            return len(client.get_object(Bucket="papers", Key=ref.key)["Body"].read())

        return _rate(lanes, read, refs)


def _list(count: int) -> dict[str, float]:
    """List a bucket, and keep nothing of it."""
    with _serving(count, 0.0) as url, tempfile.TemporaryDirectory() as scratch:
        start, cpu = time.monotonic(), time.process_time()
        found = sum(1 for _ in bucket(url, Path(scratch)).refs())
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    assert found == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak": peak}


def _best(kind: str, latency: float) -> dict[str, float]:
    """The best of some runs: what else the machine does makes others slower."""
    rates = [child(__file__, "read", kind, str(latency)) for _ in range(_ROUNDS)]
    return max(rates, key=lambda rate: rate["objects"])


def main() -> None:
    """Print both tables."""
    print(f"{_OBJECTS} objects of {len(_text(0))} bytes\n")
    print(f"{'latency':>8}  {'':<12}{'objects/s':>10}{'MB/s':>8}{'CPU ms':>8}")
    for latency in _LATENCIES:
        rates = {kind: _best(kind, latency) for kind in ("bare boto3", "connector")}
        for kind, rate in rates.items():
            figures = f"{rate['objects']:>10.0f}{rate['megabytes']:>8.2f}{rate['cpu']:>8.2f}"
            print(f"{latency * 1e3:>5.0f} ms  {kind:<12}{figures}")
        share = rates["connector"]["objects"] / rates["bare boto3"]["objects"]
        print(f"{'':>8}  {share:.2f} of the bare loop (aim: 0.9 or better)")
    print(f"\n{'keys':>8}{'seconds':>10}{'CPU s':>8}{'peak MiB':>10}")
    for count in _LISTED:
        listing = child(__file__, "list", str(count))
        figures = f"{listing['seconds']:>10.1f}{listing['cpu']:>8.1f}{listing['peak']:>10.0f}"
        print(f"{count:>8}{figures}")


def _serve(count: int, latency: float) -> None:
    with _Bucket(count, latency) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", count, latency]:
            _serve(int(count), float(latency))
        case ["read", kind, latency]:
            print(json.dumps(_read(kind, float(latency))))
        case ["list", count]:
            print(json.dumps(_list(int(count))))
