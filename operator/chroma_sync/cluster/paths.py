"""The paths of requests: the only place where a name becomes part of one."""

from __future__ import annotations

from typing import Final, NewType
from urllib.parse import quote

from chroma_sync.api.meta import is_object_name
from chroma_sync.cluster.errors import InvalidError

Path = NewType("Path", str)

API: Final = "/apis/chromasync.dev/v1alpha1"
BATCH: Final = "/apis/batch/v1"
CORE: Final = "/api/v1"
COORDINATION: Final = "/apis/coordination.k8s.io/v1"
# What the API server serves: all groups, and the kinds of ours.
GROUPS: Final = Path("/apis")
OUR_KINDS: Final = Path(API)
EXTENSIONS: Final = "/apis/apiextensions.k8s.io/v1"


def everywhere(api: str, plural: str) -> Path:
    """All objects of a kind. `api` and `plural` are written in this program, names are not."""
    return Path(f"{api}/{plural}")


def collection(api: str, namespace: str, plural: str) -> Path:
    """All objects of a kind in a namespace. Raises `InvalidError`."""
    return Path(f"{api}/namespaces/{_segment('namespace', namespace)}/{plural}")


def item(api: str, namespace: str, plural: str, name: str) -> Path:
    """One object. Raises `InvalidError`."""
    return Path(f"{collection(api, namespace, plural)}/{_segment('name', name)}")


def crd(name: str) -> Path:
    """One CRD. Raises `InvalidError`."""
    return Path(f"{EXTENSIONS}/customresourcedefinitions/{_segment('name', name)}")


def status(of: Path) -> Path:
    """The status of one object."""
    return Path(f"{of}/status")


def _segment(what: str, name: str) -> str:
    """A name as one segment. One that no object can have never reaches the API server: of a path
    with `..` in it nobody can say whose object it means."""
    if not is_object_name(name):
        raise InvalidError(400, f"the {what} {name[:300]!r} is no name of Kubernetes")
    return quote(name, safe="")
