"""Small questions to a Git host over HTTP: no redirect is followed, every answer is bounded."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.fetch.git.command import CA_VARIABLE
from chroma_sync.pipeline.queues import StopSignal

T = TypeVar("T")
# Hosts and firewalls send programs that they do not know to pages for people.
_USER_AGENT: Final = "git/2 (chroma-sync)"
_SECONDS: Final = 20.0  # from the first byte sent to the last one read
_TICK_SECONDS: Final = 0.1
_BODY_MAX: Final = 262_144


@dataclass(frozen=True)
class Answer:
    """What a host said. Header names are in lower case; `body` is cut at 256 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def is_redirect(self) -> bool:
        """Whether the host sends us elsewhere."""
        return self.status in (301, 302, 303, 307, 308)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class TlsSettings:
    """By which certificates a host is known: those of a file (PEM) and no others, or the system's.

    `stop` ends a question that is under way. Raises `Misconfigured` when the file holds no
    certificate; `secret` names where it comes from."""

    def __init__(self, stop: StopSignal, ca_file: Path | None = None, secret: str = "") -> None:
        self.ca_file = ca_file
        self._stop = stop
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError:
            message = f"The ca.crt in Secret {secret!r} holds no certificate in PEM form."
            raise Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, message) from None
        if ca_file is None and CA_VARIABLE in os.environ:
            self._context.load_verify_locations(os.environ[CA_VARIABLE])  # as git does
        # As strict as git is, and no stricter: since Python 3.13 certificates without some
        # extensions, which small authorities leave out, would be refused here and taken there.
        self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Answer:
        """Ask once. `body` is sent as JSON. Raises `StepError` when there is no answer at all, and
        `Stopped`."""
        try:
            return _waited_for(self._ask(method, url, headers, body), self._stop)
        except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
            host = "{0.scheme}://{0.netloc}".format(urlsplit(url))
            if _is_certificate_error(error):
                message = f"{host}: {_UNTRUSTED}"
                raise Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, message) from None
            said = str(error) or f"no answer within {_SECONDS:.0f} s"
            advice = "Check spec.github.baseUrl, and that the host can be reached from here."
            message = f"{host}: {said[:300].rstrip('.')}. {advice}"
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> Answer:
        # Nothing is unpacked: a small answer could become a huge one.
        own = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(verify=self._context, timeout=_SECONDS) as client,
            client.stream(method, url, headers={**own, **headers}, json=body) as response,
        ):
            read = b""
            async for part in response.aiter_raw():
                read += part
                if len(read) >= _BODY_MAX:
                    break
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, names, read[:_BODY_MAX])


def _waited_for(work: Coroutine[Any, Any, T], stop: StopSignal) -> T:
    """Do something for `_SECONDS` at most, and while the run goes on.

    Whatever it waits for then is left, the look-up of a name too, for whose end `asyncio.run` would
    wait. Nobody can break that off: the exit of the process still waits for the resolver."""
    give_up_at = time.monotonic() + _SECONDS
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    try:
        while not _done_soon(task, loop):
            stop.check()
            if time.monotonic() > give_up_at:
                raise TimeoutError
        return task.result()
    finally:
        task.cancel()
        _done_soon(task, loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _done_soon(task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> bool:
    """Go on with a task for a tick at most. True when it is done."""
    loop.run_until_complete(asyncio.wait({task}, timeout=_TICK_SECONDS))
    return task.done()


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


_UNTRUSTED: Final = (
    "the host's certificate is not trusted here. If its authority is your own, put the authority's "
    "certificate under ca.crt into a Secret and name that in spec.github.caSecretRef; else check "
    "spec.github.baseUrl."
)
