"""The one HTTP session for all calls of a Chroma server: its address, its token, its time-outs, and
what counts as an answer of Chroma.

chromadb's own client makes two sessions without time-outs and talks to the server while it is made.
So only its interface to a server is used here, over a session of ours. It also forgets the status
of an answer that is not in Chroma's own form: such an answer ends here, as an `ForeignAnswer`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from chroma_sync.api.shown import visible

if TYPE_CHECKING:
    import httpx

_SAID_MAX: Final = 200  # characters of a page that are shown to people
_TOKEN_HEADER: Final = "X-Chroma-Token"  # noqa: S105 - the name of a header


@dataclass(frozen=True)
class Token:
    """A server's token: `read` gives it anew for each request, so that one that is renewed in
    mid-run is used from then on, and None when there is none. `advice` says where it stands."""

    read: Callable[[], str | None]
    advice: str


NO_TOKEN: Final = Token(lambda: None, "No token was sent.")


@dataclass(frozen=True)
class Address:
    """Where a server is. `url` has no user and no password in it, so it may be shown."""

    url: str
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Take `http[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH]` apart. Raises `ValueError`, without
        the text in it, when it is no such address."""
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError("must begin with http:// or https:// and name a host")
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(bare, unquote(parts.username or ""), unquote(parts.password or ""))


class ForeignAnswer(Exception):
    """An HTTP answer that is not in Chroma's own form, as a proxy gives it. `str(error)` says what
    it was; it holds no secret."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Exchange(threading.local):
    """Whether the server has answered this thread since it was last set to False: what fails before
    was refused in this process, what fails after is the answer's fault."""

    answered = False


def http_server(address: Address, token: Token, timeout: float, exchange: Exchange) -> Any:
    """chromadb's interface to a server, over one session. Asks nothing yet. `timeout` is in
    seconds, for each wait."""
    from chromadb.api import ServerAPI
    from chromadb.config import Settings, System

    # All that is named here is not taken from the environment.
    settings = Settings(
        _env_file=None,
        anonymized_telemetry=False,
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host=address.url,
        chroma_server_http_port=0,  # stands in the URL
        chroma_server_headers=None,
        chroma_client_auth_provider=None,
    )
    server: Any = System(settings).instance(ServerAPI)
    server._session.close()
    server._session = _session(address, token, timeout, exchange)
    return server


def _session(address: Address, token: Token, timeout: float, exchange: Exchange) -> httpx.Client:
    import httpx

    class Credentials(httpx.Auth):
        """The token goes in both headers that Chroma's clients know, for a proxy may want either.
        A user in the address has `Authorization` for itself."""

        basic = httpx.BasicAuth(address.user, address.password)

        def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
            value = token.read()
            if value:
                request.headers[_TOKEN_HEADER] = value
                request.headers["Authorization"] = f"Bearer {value}"
            if address.user or address.password:
                yield from self.basic.auth_flow(request)
            else:
                yield request

    def answered(response: httpx.Response) -> None:
        exchange.answered = True
        if not _is_chromas(response):
            raise ForeignAnswer(response.status_code, _said(response))

    return httpx.Client(
        auth=Credentials(),
        timeout=timeout,
        headers={"Content-Type": "application/json"},
        event_hooks={"response": [answered]},
    )


def _is_chromas(response: httpx.Response) -> bool:
    """Whether chromadb reads the answer right: a good one in JSON, or an error of a known type. Its
    catch-all type says less than the status does."""
    from chromadb.errors import ChromaError, error_types

    is_json = "json" in response.headers.get("Content-Type", "")
    if response.is_success:
        return is_json
    response.read()
    try:
        kind = response.json()["error"] if is_json else None
        return error_types.get(kind, ChromaError) is not ChromaError
    except (ValueError, LookupError, TypeError):
        return False


def _said(response: httpx.Response) -> str:
    """A status and the first words of an answer, without tags, and without the credentials that a
    page may show again."""
    kind = response.headers.get("Content-Type", "").partition(";")[0] or "no text"
    response.read()
    text = response.text[: 10 * _SAID_MAX]
    for header in (_TOKEN_HEADER, "Authorization"):
        if sent := response.request.headers.get(header):
            text = text.replace(sent, "…").replace(sent.rpartition(" ")[2], "…")
    words = visible(" ".join(re.sub("<[^>]*>", " ", text).split())[:_SAID_MAX])
    said = f"HTTP {response.status_code} ({kind}), which is none of Chroma's own answers"
    return f"{said}: {words}" if words else said
