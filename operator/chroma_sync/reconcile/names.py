"""Names and labels of what the operator makes.

Labels are the operator's own and never copied from a parent: Argo CD would take the child for its
own and prune it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

LABEL_SOURCE: Final = "chromasync.dev/source"
LABEL_SOURCE_UID: Final = "chromasync.dev/source-uid"
LABEL_INVOCATION_UID: Final = "chromasync.dev/invocation-uid"
LABEL_STEP: Final = "chromasync.dev/step"

LABEL_VALUE_MAX: Final = 63
JOB_NAME_MAX: Final = 63
CONFIG_MAP_INFIX: Final = "-chroma-sync-"
CONFIG_MAP_DIGITS: Final = 16


def job_name(owner: str, uid: str, step: str) -> str:
    """A Job's name: what people recognise, then a hash of what makes it unique.

    An owner that is deleted and made again has another uid, and so Jobs of other names. An Indexed
    Job's pods are named after it and their host names may have 63 characters, which is why an index
    of up to 5 digits and a hyphen are left free."""
    digest = hashlib.sha256(f"{uid}/{step}".encode()).hexdigest()[:10]
    return f"{_cut(owner, JOB_NAME_MAX - 6 - len(digest) - 1)}-{digest}"


def config_map_name(job: str, digest: str) -> str:
    """The name of the ConfigMap that a Job's pods mount. It tells what it holds, by the SHA-256 of
    that: so one that is there already holds the same."""
    return f"{job}{CONFIG_MAP_INFIX}{digest[:CONFIG_MAP_DIGITS]}"


def is_config_map_of(job: str, name: str) -> bool:
    """Whether a name is one that the operator gives to ConfigMaps of this Job. Nobody else names
    ConfigMaps so, and no two Jobs have the same."""
    pattern = f"{re.escape(job)}{CONFIG_MAP_INFIX}[0-9a-f]{{{CONFIG_MAP_DIGITS}}}"
    return re.fullmatch(pattern, name) is not None


def label_value(name: str) -> str:
    """An object's name as a label's value: itself where it fits, else its beginning and a hash."""
    if len(name) <= LABEL_VALUE_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{_cut(name, LABEL_VALUE_MAX - len(digest) - 1)}-{digest}"


def _cut(name: str, length: int) -> str:
    # A name may hold dots, which a host name in a pod may not; it never begins with one.
    return name[:length].replace(".", "-").rstrip("-")
