"""Child processes: all are started and killed here, and what hostile input is read by runs in one
that is bounded in time, memory and output."""

from chroma_sync.pipeline.children.control import controlled
from chroma_sync.pipeline.children.function import BoundedFunction
from chroma_sync.pipeline.children.limits import Limits, NotRunning, OverLimit, What
from chroma_sync.pipeline.children.started import kill, kill_all, limit, start

__all__ = [
    "BoundedFunction",
    "Limits",
    "NotRunning",
    "OverLimit",
    "What",
    "controlled",
    "kill",
    "kill_all",
    "limit",
    "start",
]
