"""The control of a question: what is known to be good, asked where another question failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chroma_sync.pipeline.children.limits import NotRunning, OverLimit


@contextmanager
def controlled(by: Callable[[], object], kind: str) -> Iterator[None]:
    """Lets an `OverLimit` out only where `by` is answered: it asks the same function for what is
    known to be good, and only then is the input to blame. Raises `NotRunning` where that goes over
    a limit too. `kind` names for a person what is read: "notebook"."""
    try:
        yield
    except OverLimit:
        try:
            by()
        except OverLimit as error:
            message = f"No {kind} can be read here, not even an empty one: {error.what}."
            raise NotRunning(message) from None
        raise
