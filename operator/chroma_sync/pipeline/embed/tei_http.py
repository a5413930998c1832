"""One request to a TEI server: connections, the token, and the bounds of an answer.

Connections are those of text_embeddings_inference_client. Its functions are not used, only its
public httpx client, for they know neither `normalize` nor `/tokenize`, return None or an error
object where there is trouble, fail on the plain text of a 413, and read numbers at less than half
the speed of orjson.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.errors import EmbeddingMisconfigured
from chroma_sync.pipeline.embed.tei_answers import ServerFailure, UnexpectedAnswer, check_status
from chroma_sync.pipeline.errors import Misconfigured

if TYPE_CHECKING:
    import httpx

Token = Callable[[], str | None]
"""Reads the token, anew at each call, so that one that is renewed is used from then on. None where
the server wants none. Raises `Misconfigured`."""

_MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes
_CONNECT_SECONDS: Final = 10.0


class TeiHttp:
    """A TEI server at `url`. `timeout` (seconds) bounds each wait for it, and one answer as a
    whole. Any number of threads.

    Raises `EmbeddingMisconfigured` for an address that is none, and `Misconfigured` where there is
    no token that can be sent."""

    def __init__(self, url: str, token: Token, timeout: float, clock: Callable[[], float]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = "the embedding server's address must be http://HOST[:PORT] or https://HOST"
            raise EmbeddingMisconfigured(message, Reason.MODEL_NOT_SERVED)
        self.address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._token, self._timeout, self._clock = token, timeout, clock
        _authorization(token)  # said before anything is waited for
        self._http = _http_client(url, timeout)

    def where(self, path: str) -> str:
        """The address of a route, as it is shown to people."""
        return f"{self.address}{path}"

    def send(self, method: str, path: str, body: bytes | None) -> bytes:
        """The body of the answer, which is a 200. Raises what `check_status` raises."""
        import httpx

        where = self.where(path)
        headers = self._authorized()
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = bytearray()
        began = self._clock()
        try:
            with self._http.stream(method, path, content=body, headers=headers) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MAX_ANSWER:
                        raise ServerFailure(
                            f"{where} gave an answer of more than {_MAX_ANSWER} bytes"
                        )
                    # httpx bounds each read only, and a server may drip for ever.
                    if self._clock() - began > self._timeout:
                        raise ServerFailure(f"{where} took over {self._timeout:g} s to answer")
        except httpx.RequestError as error:
            kind = type(error).__name__
            raise ServerFailure(f"{where} can't be reached ({kind}: {error})") from None
        content_type = response.headers.get("content-type", "")
        check_status(response.status_code, content_type, bytes(content), where)
        return bytes(content)

    def close(self) -> None:
        """Close the connections. Calls under way fail."""
        self._http.close()

    def _authorized(self) -> dict[str, str]:
        try:
            return _authorization(self._token)
        except Misconfigured as error:
            raise UnexpectedAnswer(str(error), error.reason) from None


def embed_body(texts: list[str]) -> bytes:
    """The body of a request to embed some texts."""
    from text_embeddings_inference_client.models import EmbedRequest

    # Never let the server cut a text in silence, which is its default.
    request = EmbedRequest(inputs=texts, truncate=False)
    request["normalize"] = True
    return orjson.dumps(request.to_dict())


def _authorization(token: Token) -> dict[str, str]:
    value = token()
    if value is None:
        return {}
    if not value.isascii() or not value.isprintable():
        # Said here, for httpx would quote it.
        message = "the embedding server's token holds characters that no HTTP header may hold"
        raise EmbeddingMisconfigured(message, Reason.CREDENTIALS_REJECTED)
    return {"Authorization": f"Bearer {value}"}


def _http_client(url: str, timeout: float) -> httpx.Client:
    import httpx
    from text_embeddings_inference_client import Client

    limits = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    client = Client(base_url=url.rstrip("/"), timeout=limits, verify_ssl=_tls())
    return client.get_httpx_client()


@cache
def _tls() -> ssl.SSLContext:
    """httpx's default, which takes 50 ms to make, made once."""
    import httpx

    return httpx.create_ssl_context()
