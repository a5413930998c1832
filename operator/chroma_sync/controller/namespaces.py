"""Which namespaces are watched: those that the installation lists and the operator has rights in.

A namespace that is deleted takes the operator's Role with it. A watch that is refused would end the
process, again and again, and with it the service of all others: so it is left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from chroma_sync.cluster.errors import ClusterError
from chroma_sync.controller.http import Health

WAIT_PERIOD: Final = 2.0  # seconds, while none can be watched
FOLLOW_PERIOD: Final = 60.0

logger = logging.getLogger(__name__)


class RightsChangedError(Exception):
    """Other namespaces can be watched than are: the process has to begin anew."""


class Rights(Protocol):
    """What is asked of the cluster."""

    async def may_list(self, namespace: str) -> bool:
        """Whether all that is watched may be listed there. Raises `ClusterError`."""
        ...


async def permitted(rights: Rights, listed: Sequence[str], health: Health) -> list[str]:
    """The listed namespaces that can be watched. Waits until there is one; of none, all are."""
    logged = False
    while listed:
        try:
            found = [namespace for namespace in listed if await rights.may_list(namespace)]
        except ClusterError as error:
            logger.warning("the API server could not be asked for the operator's rights: %s", error)
            found = []
        else:
            missing = [namespace for namespace in listed if namespace not in found]
            if missing and not (logged and not found):
                logger.warning(
                    "not watched, for the operator has no rights there: %s. When these namespaces "
                    "exist, helm upgrade makes its roles.",
                    ", ".join(missing),
                )
                logged = True
        if found:
            return found
        health.waits_for = f"rights in the namespaces that it watches: {', '.join(listed)}"
        await asyncio.sleep(WAIT_PERIOD)
    return []


async def follow(rights: Rights, listed: Sequence[str], watched: Sequence[str]) -> None:
    """Look whether the rights are still those that the watches began with. Ends by
    `RightsChangedError` only."""
    while True:
        await asyncio.sleep(FOLLOW_PERIOD)
        for namespace in listed:
            try:
                may = await rights.may_list(namespace)
            except ClusterError as error:
                logger.warning("the rights in %s could not be asked for: %s", namespace, error)
                continue
            if may != (namespace in watched):
                what = "can be watched now" if may else "can't be watched any more"
                raise RightsChangedError(f"the namespace {namespace} {what}")
