"""Who owns what: written into what the operator makes, and read from what there is.

Owner references are written by whoever may make an object in a namespace, and the API server looks
at neither the name nor the uid in them. So an object is taken for ours by its controller alone, by
that one's uid; and a name that no object can have is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from chroma_sync.api.invocation import Invocation
from chroma_sync.api.meta import API_VERSION, GROUP, Object, is_object_name
from chroma_sync.api.source import Source
from chroma_sync.reconcile import names

# What may control an object of ours, with its API group.
GROUPS: Final = {"Source": GROUP, "Invocation": GROUP, "Job": "batch"}
LABELS: Final = {"Source": names.LABEL_SOURCE_UID, "Invocation": names.LABEL_INVOCATION_UID}


@dataclass(frozen=True)
class Reference:
    """What controls an object in the same namespace."""

    kind: str
    name: str
    uid: str


NOBODY: Final = Reference("", "", "")


@dataclass(frozen=True)
class Owner:
    """The object that another one belongs to and goes with. `source` names the Source behind it."""

    kind: Literal["Source", "Invocation"]
    namespace: str
    name: str
    uid: str
    source: str

    @classmethod
    def of(cls, obj: Source | Invocation) -> Self:
        metadata = obj.metadata
        source = metadata.name if isinstance(obj, Source) else obj.spec.source_ref.name
        return cls(obj.kind, metadata.namespace, metadata.name, metadata.uid or "", source)

    @property
    def labels(self) -> dict[str, str]:
        """How what belongs to it is found."""
        return {names.LABEL_SOURCE: names.label_value(self.source), LABELS[self.kind]: self.uid}

    @property
    def reference(self) -> Object:
        """The owner reference of what belongs to it."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            # A foreground deletion of the owner waits for what belongs to it.
            "blockOwnerDeletion": True,
        }

    def job_name(self, task: str) -> str:
        """The name of the Job for one of the owner's tasks, or for one attempt at it."""
        return names.job_name(self.name, self.uid, task)


def controller_of(metadata: Mapping[str, Any], *kinds: str) -> Reference:
    """What controls an object, if it is of one of these kinds; else `NOBODY`."""
    owners = metadata.get("ownerReferences") or []
    owner: dict[str, str] = next((o for o in owners if o.get("controller")), {})
    kind, name, uid = owner.get("kind", ""), owner.get("name"), owner.get("uid")
    group = owner.get("apiVersion", "").partition("/")[0]
    ours = kind in kinds and group == GROUPS[kind] and is_object_name(name)
    return Reference(kind, str(name), uid) if ours and uid else NOBODY
