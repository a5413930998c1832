"""What the tests do in the cluster and see of it: Sources, runs, collections, counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import chromadb
import httpx
import numpy as np
from chromadb.config import Settings

from cluster.kit import installation, servers
from cluster.kit.cluster import Cluster, Object, condition, eventually, port_forward

API = "chromasync.dev/v1alpha1"
RUN_SECONDS = 300
FINAL = ("True", "False")
ACTIVE = ("Pending", "Running")


@dataclass(frozen=True)
class Records:
    """All records of a collection. `vectors` is (n, dimension) float32, in the order of `ids`."""

    ids: list[str]
    texts: list[str]
    metadata: list[Mapping[str, Any]]
    vectors: np.ndarray[Any, np.dtype[np.float32]]

    def by_document(self) -> dict[str, list[tuple[int, str, Mapping[str, Any]]]]:
        """Each document's chunks, by n."""
        documents: dict[str, list[tuple[int, str, Mapping[str, Any]]]] = {}
        for id_, text, metadata in zip(self.ids, self.texts, self.metadata, strict=True):
            n = int(id_.rpartition("-")[2])
            documents.setdefault(str(metadata["document_key"]), []).append((n, text, metadata))
        return {key: sorted(chunks, key=lambda c: c[0]) for key, chunks in documents.items()}


class World:
    """The cluster with the operator installed and its servers up."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._slow_tei = httpx.Client(
            base_url=cluster.service(servers.NAMESPACE, "slow-tei", 8080),
            timeout=30,
            trust_env=False,
        )
        self._chroma: Any = None

    def close(self) -> None:
        """Close all connections."""
        self._slow_tei.close()
        if self._chroma is not None:
            self._chroma.close()
            # chromadb's own close leaves the connections to the garbage collector.
            for server in (self._chroma._server, self._chroma._admin_client._server):
                server._session.close()

    # objects

    def source(self, namespace: str, name: str = "shop", **changes: Any) -> Object:
        """A Source of the generated repository. `changes` replace fields of its spec."""
        spec = {
            "embedding": {"dense": {"model": servers.MODEL}},
            "chunking": {"type": "tree_sitter", "maxSizeBytes": 1500},
            "github": {"repository": servers.REPOSITORY, "baseUrl": servers.GIT_URL},
            **changes,
        }
        return _object("Source", namespace, name, spec)

    def slow_source(self, namespace: str, **changes: Any) -> Object:
        """A Source whose runs embed with the server that tests may make slow."""
        return self.source(namespace, embedding={"dense": {"model": servers.SLOW_MODEL}}, **changes)

    def invocation(
        self, namespace: str, collection: str, name: str = "run", source: str = "shop", **spec: Any
    ) -> Object:
        """A run of a Source into a collection."""
        whole = {"sourceRef": {"name": source}, "targetCollectionName": collection, **spec}
        return _object("Invocation", namespace, name, whole)

    def ready(self, namespace: str, name: str = "shop", seconds: int = 60) -> None:
        """Wait, as a person would, until a Source is Ready."""
        wait = ("wait", "--for=condition=Ready", f"source/{name}", f"--timeout={seconds}s")
        try:
            self.cluster.kubectl("-n", namespace, *wait)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe(namespace)}") from None

    def ended(self, namespace: str, name: str = "run", seconds: int = RUN_SECONDS) -> Object:
        """Wait until a run has ended, in whatever way. Returns it."""

        def look() -> Object | None:
            found = self.cluster.get("Invocation", namespace, name)
            return found if condition(found, "Succeeded").get("status") in FINAL else None

        try:
            return eventually(f"the end of Invocation {namespace}/{name}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe(namespace)}") from None

    def succeeded(self, namespace: str, name: str = "run", seconds: int = RUN_SECONDS) -> Object:
        """Wait until a run has succeeded. Returns it."""
        ended = self.ended(namespace, name, seconds)
        assert condition(ended, "Succeeded")["status"] == "True", self.describe(namespace)
        return ended

    def reason(
        self, kind: str, namespace: str, name: str, summary: str, reason: str, seconds: int = 60
    ) -> Mapping[str, str]:
        """Wait until the summary of an object gives a reason. Returns the condition."""

        def look() -> Mapping[str, str] | None:
            seen = condition(self.cluster.get(kind, namespace, name), summary)
            return seen if seen.get("reason") == reason else None

        try:
            return eventually(f"{kind} {namespace}/{name} {summary}: {reason}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe(namespace)}") from None

    def describe(self, namespace: str) -> str:
        """What a person would look at when something is wrong."""
        kinds = "sources,invocations,jobs,pods"
        parts = [
            self.cluster.kubectl("-n", namespace, "get", kinds, "-o", "wide", check=False),
            self.cluster.kubectl("-n", namespace, "get", "sources,invocations", "-o", "yaml"),
            self.cluster.kubectl(
                *("-n", namespace, "logs", "--tail=30", "--prefix"),
                *("-l", "app.kubernetes.io/component=worker"),
                check=False,
            ),
            self.cluster.kubectl(
                *("-n", installation.NAMESPACE, "logs", "--tail=40"),
                f"deployment/{installation.SERVICE_ACCOUNT}",
                check=False,
            ),
        ]
        return "\n".join(parts)

    def operator_get(self, path: str) -> str:
        """What the operator's own HTTP server answers."""
        service = f"{installation.RELEASE}-metrics"
        url = f"{self.cluster.service(installation.NAMESPACE, service, 8080)}/{path}"
        return httpx.get(url, timeout=10, trust_env=False).raise_for_status().text

    # Chroma

    def chroma(self) -> Any:
        """A client of Chroma's own, by way of the API server."""
        if self._chroma is None:
            url = self.cluster.service(servers.NAMESPACE, "chroma", 8000)
            settings = Settings(anonymized_telemetry=False)
            self._chroma = chromadb.HttpClient(host=url, settings=settings)
        return self._chroma

    def collection(self, name: str) -> Any:
        """One collection."""
        return self.chroma().get_collection(name, embedding_function=None)

    def records(self, name: str) -> Records:
        """Everything in a collection."""
        return read_records(self.collection(name))

    # S3

    @contextmanager
    def s3(self, server: str) -> Iterator[Any]:
        """A client of boto3's own."""
        with port_forward(servers.NAMESPACE, server, servers.S3[server]) as url:
            client = boto3.client(
                "s3",
                region_name="us-east-1",
                endpoint_url=url,
                aws_access_key_id=servers.S3_KEYS["accessKeyId"],
                aws_secret_access_key=servers.S3_KEYS["secretAccessKey"],
            )
            try:
                yield client
            finally:
                client.close()

    # TEI

    @contextmanager
    def tei(self) -> Iterator[httpx.Client]:
        """A client of the server, with its key."""
        login = {"Authorization": f"Bearer {servers.TEI_KEY}"}
        with (
            port_forward(servers.NAMESPACE, "tei", 8080) as url,
            httpx.Client(base_url=url, headers=login, timeout=30, trust_env=False) as client,
        ):
            yield client

    # the TEI server that tests may make slow

    def texts_embedded(self) -> int:
        """How many texts it has embedded so far."""
        return int(self._slow_tei.get("/_test/counts").raise_for_status().json()["texts"])

    def tei_fault(self, status: int, seconds: float) -> None:
        """Let it answer with this status for a while."""
        answer = self._slow_tei.post("/_test/faults", json={"status": status, "seconds": seconds})
        answer.raise_for_status()

    def gate(self, action: str, **rule: Any) -> bool:
        """Tell the gate in front of Chroma to `hold` or `release`. True when it holds a request."""
        url = f"{self.cluster.service(servers.NAMESPACE, 'gate', 8001)}/_test/{action}"
        answer = httpx.post(url, json=rule, timeout=30, trust_env=False).raise_for_status()
        return bool(answer.json()["holding"])

    def kill_workers(self, namespace: str) -> int:
        """Kill all pods of runs at once, without a word to them. Returns how many were alive."""
        pods = [p for p in self.run_pods(namespace) if p["status"]["phase"] in ACTIVE]
        for pod in pods:
            self.cluster.kubectl(
                *("-n", namespace, "delete", "pod", pod["metadata"]["name"]),
                *("--grace-period=0", "--force", "--wait=false"),
                check=False,
            )
        return len(pods)

    def run_pods(self, namespace: str) -> list[Object]:
        """The pods of runs (not of checks) that are there."""
        return self.cluster.list("Pod", namespace, "chromasync.dev/invocation-uid")

    def config_maps_gone(self, namespace: str) -> None:
        """Wait until no Job has left its ConfigMap behind."""
        selector = "app.kubernetes.io/managed-by=chroma-sync"

        def look() -> bool:
            return not self.cluster.list("ConfigMap", namespace, selector)

        eventually("no ConfigMaps left", look, 30)

    def tei_delay(self, seconds: float) -> None:
        """Let each request to it take longer."""
        self._slow_tei.post("/_test/delay", json={"seconds": seconds}).raise_for_status()


def read_records(collection: Any) -> Records:
    """Everything in a collection, in pages, sorted by id."""
    rows: list[tuple[str, str, Mapping[str, Any], Any]] = []
    while True:
        page = collection.get(
            limit=500, offset=len(rows), include=["documents", "metadatas", "embeddings"]
        )
        if not page["ids"]:
            break
        rows += zip(
            page["ids"], page["documents"], page["metadatas"], page["embeddings"], strict=True
        )
    rows.sort(key=lambda row: row[0])
    vectors = np.asarray([row[3] for row in rows], dtype=np.float32)
    return Records([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], vectors)


def same_records(left: Records, right: Records) -> None:
    """Fail unless two collections hold the same: ids, texts and metadata equal, vectors to a cosine
    of 0.9999. They may be of two Sources."""
    assert left.ids == right.ids
    assert left.texts == right.texts
    assert _of_any_source(left) == _of_any_source(right)
    assert cosines(left.vectors, right.vectors).min() >= 0.9999


def _of_any_source(records: Records) -> list[Mapping[str, Any]]:
    """Their metadata without the Source's name. Each state, which that is part of, is told by the
    first record that has it."""
    first: dict[str, int] = {}
    for n, metadata in enumerate(records.metadata):
        first.setdefault(str(metadata["document_state"]), n)
    return [
        {key: value for key, value in metadata.items() if key != "source"}
        | {"document_state": first[str(metadata["document_state"])]}
        for metadata in records.metadata
    ]


def cosines(left: Any, right: Any) -> Any:
    """The cosine of each pair of rows, shape (n,)."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms


def unique(prefix: str) -> str:
    """A collection name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def _object(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": dict(spec)}
