"""The real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal

from chroma_sync.api.contract import Result
from chroma_sync.api.meta import API_VERSION, GROUP, VERSION, Object
from chroma_sync.cluster import paths
from chroma_sync.cluster.errors import ClusterError, ConflictError, InvalidError, NotFoundError
from chroma_sync.cluster.events import EventRecorder
from chroma_sync.cluster.interface import Kind, ListedKind, Listing, merge
from chroma_sync.cluster.paths import Path
from chroma_sync.cluster.progress import ProgressReader
from chroma_sync.cluster.rest import JSON, Rest
from chroma_sync.reconcile.decision import Event
from chroma_sync.reconcile.names import LABEL_SOURCE
from chroma_sync.reconcile.observed import job_state, moment

PLURALS: Final[dict[Kind, str]] = {"Source": "sources", "Invocation": "invocations"}
LISTED: Final[dict[ListedKind, tuple[str, str]]] = {
    "Source": (paths.API, "sources"),
    "Invocation": (paths.API, "invocations"),
    "Job": (paths.BATCH, "jobs"),
    "Pod": (paths.CORE, "pods"),
}
# Names and uids are enough, and much smaller.
METADATA_ONLY: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# Small: a page is parsed in one go, and nothing else is done meanwhile.
PAGE: Final = 100
EVENTS: Final = 50  # of one Job; the same one is counted up
PAGES_MAX: Final = 1000


class KubernetesCluster:
    """`Cluster` over the API server. `namespaces` are those that are watched; all when empty."""

    def __init__(self, rest: Rest, namespaces: Sequence[str] = ()) -> None:
        self.namespaces = namespaces
        self._rest = rest
        self._events = EventRecorder(rest)
        self._progress = ProgressReader()

    async def close(self) -> None:
        """Close the connections, the API server's too."""
        await self._progress.close()
        await self._rest.close()

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._rest.get(_path(kind, namespace, name))
        except NotFoundError:
            return None

    async def read_job(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._rest.get(_job(namespace, name))
        except NotFoundError:
            return None

    async def schema(self, kind: Kind) -> Object:
        crd = await self._rest.get(paths.crd(f"{PLURALS[kind]}.{GROUP}"))
        versions = {v["name"]: v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"]}
        found: Object = versions.get(VERSION, {})
        return found

    async def patch_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        metadata = obj["metadata"]
        precondition = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        path = paths.status(_path(kind, metadata["namespace"], metadata["name"]))
        return await self._rest.merge_patch(path, {"metadata": precondition, "status": status})

    async def create_job(self, job: Object) -> Object:
        metadata = job["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            return await self._rest.post(paths.collection(paths.BATCH, namespace, "jobs"), job)
        except ConflictError:
            there = await self._rest.get(_job(namespace, name))
            if job_state(there).owner.uid != metadata["ownerReferences"][0]["uid"]:
                raise
            return there

    async def create_config_map(self, config_map: Object) -> None:
        folder = paths.collection(paths.CORE, config_map["metadata"]["namespace"], "configmaps")
        with suppress(ConflictError):
            await self._rest.post(folder, config_map)

    async def delete_config_map(self, namespace: str, name: str) -> None:
        with suppress(NotFoundError):
            await self._rest.delete(paths.item(paths.CORE, namespace, "configmaps", name), {})

    async def try_job(self, job: Object) -> None:
        try:
            folder = paths.collection(paths.BATCH, job["metadata"]["namespace"], "jobs")
            await self._rest.post(folder, job, {"dryRun": "All"})
        except InvalidError as error:
            # An admission webhook with side effects: the server can't try what it does.
            if error.status != 400:
                raise

    async def why_no_pod(self, namespace: str, uid: str, since: datetime) -> str:
        wanted = f"involvedObject.kind=Job,involvedObject.uid={uid},reason=FailedCreate"
        query = {"fieldSelector": wanted, "limit": str(EVENTS)}
        found = await self._rest.get(paths.collection(paths.CORE, namespace, "events"), query)
        said = [(moment(e.get("lastTimestamp")), str(e.get("message"))) for e in found["items"]]
        return max((m for m in said if m[0] >= since), default=(since, ""))[1]

    async def delete(
        self, kind: Literal["Job", "Invocation"], namespace: str, name: str, uid: str
    ) -> bool:
        path = _job(namespace, name) if kind == "Job" else _path(kind, namespace, name)
        # Foreground: a Job goes last, so that its end says that no pod is left.
        propagation = "Foreground" if kind == "Job" else "Background"
        body = {"propagationPolicy": propagation, "preconditions": {"uid": uid}}
        try:
            await self._rest.delete(path, body)
        except NotFoundError:
            return False
        except ConflictError:
            return False  # another object has the name now: the one that was meant is gone
        return True

    async def pods(self, namespace: str, selector: str) -> list[Object]:
        pages = self._pages(paths.collection(paths.CORE, namespace, "pods"), selector)
        return [pod async for page in pages for pod in page["items"]]

    async def post_event(self, kind: Kind, obj: Object, event: Event) -> None:
        await self._events.post(kind, obj, event)

    async def read_progress(self, address: str) -> Result | None:
        return await self._progress.read(address)

    async def list_all(self, kind: ListedKind, pause: float = 0.0) -> Listing:
        """What exists of a kind in the namespaces that are watched; of Jobs and pods, our own.
        After each page there is a pause, in seconds: in it the operator gets on with its work."""
        api, plural = LISTED[kind]
        if not self.namespaces:
            return await self._list(paths.everywhere(api, plural), kind, pause)
        folders = [paths.collection(api, namespace, plural) for namespace in self.namespaces]
        return merge([await self._list(folder, kind, pause) for folder in folders])

    async def may_list(self, namespace: str) -> bool:
        """Whether all that is watched may be listed in a namespace."""
        for api, plural in LISTED.values():
            try:
                folder = paths.collection(api, namespace, plural)
                await self._rest.get(folder, {"limit": "1"}, accept=METADATA_ONLY)
            except InvalidError as error:
                if error.status != 403:
                    raise
                return False
        return True

    async def _list(self, path: Path, kind: ListedKind, pause: float) -> Listing:
        selector = LABEL_SOURCE if kind in ("Job", "Pod") else ""
        version = 0
        places, uids = set[tuple[str, str]](), set[str]()
        async for page in self._pages(path, selector, accept=METADATA_ONLY):
            # All pages show the state of the first one.
            version = version or int(page["metadata"]["resourceVersion"])
            # Of nothing, a list of metadata holds null.
            found = [item["metadata"] for item in page["items"] or []]
            # Page by page: most of what metadata hold are managed fields, which nobody needs.
            places.update((m["namespace"], m["name"]) for m in found)
            uids.update(m["uid"] for m in found)
            await asyncio.sleep(pause)
        return Listing(version, frozenset(places), frozenset(uids))

    async def unserved(self) -> frozenset[str]:
        """Our kinds that the API server does not serve (yet), by their plurals. It is asked for
        what kopf looks at when its watches begin."""
        wanted = frozenset(PLURALS.values())
        groups = (await self._rest.get(paths.GROUPS))["groups"]
        if API_VERSION not in {v["groupVersion"] for g in groups for v in g["versions"]}:
            return wanted
        try:
            listed = await self._rest.get(paths.OUR_KINDS)
        except NotFoundError:
            return wanted
        return wanted - {resource["name"] for resource in listed["resources"]}

    async def _pages(
        self, path: Path, selector: str, *, accept: str = JSON
    ) -> AsyncIterator[Object]:
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        for _ in range(PAGES_MAX):
            page = await self._rest.get(path, query, accept=accept)
            yield page
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token
        raise ClusterError(0, f"GET {path}: more than {PAGE * PAGES_MAX} objects")


def _path(kind: Kind, namespace: str, name: str) -> Path:
    return paths.item(paths.API, namespace, PLURALS[kind], name)


def _job(namespace: str, name: str) -> Path:
    return paths.item(paths.BATCH, namespace, "jobs", name)
