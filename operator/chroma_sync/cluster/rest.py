"""JSON requests to the API server, over the client's own connection, TLS and token handling.

Plain objects go in and out: the operator looks at a few fields only, and the client's models would
cost memory and time for each of the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from kubernetes.aio import client as k8s
from kubernetes.aio import config as k8s_config

from chroma_sync.api.meta import Object
from chroma_sync.cluster.errors import (
    ClusterError,
    ConflictError,
    InvalidError,
    NamespaceTerminatingError,
    NotFoundError,
    ThrottledError,
    WrongFieldsError,
)
from chroma_sync.cluster.paths import Path

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
TIMEOUT: Final = 15.0  # seconds for one request
# For how many seconds, and how often, a 429 is waited for before it counts as an error. As in
# client-go the wait holds up its caller: an API server that is flooded gets fewer requests.
RETRY_AFTER_DEFAULT: Final = 1.0
RETRY_AFTER_MAX: Final = 10.0
THROTTLED_MAX: Final = 4
# Source: Kubernetes, k8s.io/api/core/v1, NamespaceTerminatingCause.
_NAMESPACE_TERMINATING: Final = "NamespaceTerminating"


async def connect() -> Rest:
    """Connect as the pod's ServiceAccount, or, outside a cluster, as the kubeconfig says."""
    configuration = k8s.Configuration()
    try:
        k8s_config.load_incluster_config(client_configuration=configuration)
    except k8s_config.ConfigException:
        await k8s_config.load_kube_config(client_configuration=configuration)
    configuration.client_session_kwargs = {"trust_env": False}
    return Rest(k8s.ApiClient(configuration))


class Rest:
    """One connection pool to the API server. Errors are `ClusterError`s."""

    def __init__(
        self, api: k8s.ApiClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._api = api
        self._sleep = sleep

    async def close(self) -> None:
        await self._api.close()

    async def get(
        self, path: Path, query: dict[str, str] | None = None, *, accept: str = JSON
    ) -> Object:
        return await self._request("GET", path, query=query, accept=accept)

    async def post(self, path: Path, body: Object, query: dict[str, str] | None = None) -> Object:
        return await self._request("POST", path, query=query, body=body)

    async def put(self, path: Path, body: Object) -> Object:
        return await self._request("PUT", path, body=body)

    async def merge_patch(self, path: Path, body: Object) -> Object:
        return await self._request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def delete(self, path: Path, body: Object) -> Object:
        return await self._request("DELETE", path, body=body)

    async def _request(self, method: str, path: Path, **options: Any) -> Object:
        """Send a request; again, as often as is decent, while the API server asks to wait."""
        for _ in range(THROTTLED_MAX):
            try:
                return await self._send(method, path, **options)
            except ThrottledError as error:
                await self._sleep(error.seconds)
        return await self._send(method, path, **options)

    async def _send(
        self,
        method: str,
        path: Path,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        try:
            prepared = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(
                *prepared, _request_timeout=aiohttp.ClientTimeout(total=TIMEOUT)
            )
            data = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise ClusterError(0, f"{method} {path}: no answer: {what}") from error
        if response.status >= 400:
            retry_after = response.headers.get("Retry-After", "")
            raise _error(response.status, f"{method} {path}", data, retry_after)
        return _parse(method, path, data)


def _parse(method: str, path: Path, data: bytes) -> Object:
    try:
        parsed = json.loads(data)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ClusterError(0, f"{method} {path}: the answer is not a JSON object")
    return parsed


def _error(status: int, request: str, data: bytes, retry_after: str = "") -> ClusterError:
    """The error, with the API server's own sentence when it gave one."""
    try:
        said = json.loads(data)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    message = f"{request}: {status} {said.get('message') or ''}".rstrip()
    if status == 429:
        return ThrottledError(status, message, _seconds(retry_after))
    if status == 403 and _NAMESPACE_TERMINATING in {c.get("reason") for c in _causes(said)}:
        return NamespaceTerminatingError(status, message)
    if status == 422 and any(cause.get("field") for cause in _causes(said)):
        return WrongFieldsError(status, message)
    kinds = {404: NotFoundError, 409: ConflictError}
    kinds |= dict.fromkeys((400, 403, 422), InvalidError)
    return kinds.get(status, ClusterError)(status, message)


def _causes(said: Object) -> list[Object]:
    """Why a request was refused, in the form that is made for programs."""
    causes: list[Object] = (said.get("details") or {}).get("causes") or []
    return causes


def _seconds(retry_after: str) -> float:
    """How long to wait. The API server gives whole seconds, never a date."""
    whole = retry_after.isascii() and retry_after.isdecimal() and len(retry_after) <= 9
    return min(float(retry_after), RETRY_AFTER_MAX) if whole else RETRY_AFTER_DEFAULT
