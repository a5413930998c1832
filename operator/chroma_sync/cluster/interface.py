"""All that the operator ever asks of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chroma_sync.api.contract import Result
from chroma_sync.api.meta import Object
from chroma_sync.reconcile.decision import Event

Kind = Literal["Source", "Invocation"]
ListedKind = Literal["Source", "Invocation", "Job", "Pod"]


@dataclass(frozen=True)
class Listing:
    """All objects of a kind as they were at one resourceVersion: (namespace, name) and uids."""

    version: int
    places: frozenset[tuple[str, str]]
    uids: frozenset[str]


def merge(listings: Sequence[Listing]) -> Listing:
    """Listings of several namespaces as one. It holds for the oldest of their versions: what is no
    newer than that and is missing is gone."""
    return Listing(
        min(listing.version for listing in listings),
        frozenset().union(*(listing.places for listing in listings)),
        frozenset().union(*(listing.uids for listing in listings)),
    )


class Cluster(Protocol):
    """Reads are fresh. Everything but `read_progress` raises `ClusterError`."""

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One Source or Invocation; None when there is none of that name."""
        ...

    async def read_job(self, namespace: str, name: str) -> Object | None:
        """One Job, whoever made it; None when there is none of that name."""
        ...

    async def schema(self, kind: Kind) -> Object:
        """The OpenAPI schema of a kind, as its CRD says it now."""
        ...

    async def patch_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        """Merge `status` into the object's. `obj` is what the decision was made from: its uid and
        resourceVersion must still hold, else `ConflictError`. Returns the object as it is now."""
        ...

    async def create_job(self, job: Object) -> Object:
        """Make the Job and return it. One of the same name and owner is returned as it is. Raises
        `ConflictError` while a Job of another owner has the name."""
        ...

    async def create_config_map(self, config_map: Object) -> None:
        """Make the ConfigMap, unless one of its name is there: the name tells what it holds."""
        ...

    async def delete_config_map(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap of the operator's, if there is one of this name."""
        ...

    async def try_job(self, job: Object) -> None:
        """Ask whether the API server would take the Job (`dryRun=All`). Raises `InvalidError` when
        it would not; when it can't say, nothing."""
        ...

    async def why_no_pod(self, namespace: str, uid: str, since: datetime) -> str:
        """Why the Job controller could make no pod for the Job of this uid, as it said last; empty
        when it said nothing since then."""
        ...

    async def delete(
        self, kind: Literal["Job", "Invocation"], namespace: str, name: str, uid: str
    ) -> bool:
        """Delete the object, if it is still this one; else return False. A Job stays to be seen
        until its last pod is gone."""
        ...

    async def pods(self, namespace: str, selector: str) -> list[Object]:
        """The pods that a label selector chooses, finished ones too."""
        ...

    async def post_event(self, kind: Kind, obj: Object, event: Event) -> None:
        """Show an event on the object. Repeated ones are counted up, floods are dropped."""
        ...

    async def read_progress(self, address: str) -> Result | None:
        """How far the worker at this pod address is; None when it does not say."""
        ...
