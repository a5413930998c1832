"""S3 on loopback: moto's server, and a front before it that can say what moto never does."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

from fakes.proxy import Asked, ProxyHandler
from fakes.running import running

KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "wJalrXUtnFEMI/bPxRfiCYEXAMPLEKEY"}


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server without a bucket. Yields its address. What it holds is shared by all servers of
    the process, so each test has a bucket of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@cache
def owner(url: str) -> Any:
    """A client of boto3 that may do everything there."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEYS["accessKeyId"],
        aws_secret_access_key=KEYS["secretAccessKey"],
    )


@dataclass(frozen=True)
class Answer:
    """What the front says. `cut`: the connection ends after so many bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cut: int | None = None


def refusal(status: int, code: str, message: str = "No.", **more: str) -> Answer:
    """An error in the words of S3."""
    fields = "".join(
        f"<{k}>{v}</{k}>" for k, v in {"Code": code, "Message": message, **more}.items()
    )
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{fields}</Error>'
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())


@dataclass
class Front:
    """What stands before a server. `script` gives the answer to a request, or None where the
    server's own is to be given, which `edit` may change. `asked` are all requests."""

    upstream: str
    url: str = ""
    script: Callable[[Asked], Answer | None] = lambda _: None
    edit: Callable[[Asked, Answer], Answer] = lambda _, answer: answer
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        own = self.script(asked)
        return own if own is not None else self.edit(asked, self.forwarded(asked))

    def calls(self) -> list[str]:
        """The methods and paths that were asked for, without their questions."""
        return [f"{asked.method} {asked.path.partition('?')[0]}" for asked in self.asked]

    def forwarded(self, asked: Asked) -> Answer:
        """The server's own answer."""
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=60)
        try:
            connection.request(asked.method, asked.path, asked.body, dict(asked.headers))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


@contextmanager
def fronted(upstream: str, tls: ssl.SSLContext | None = None) -> Iterator[Front]:
    """Stand before a server, with `tls` over https."""
    front = Front(upstream)

    class Handler(ProxyHandler):
        def do_HEAD(self) -> None:  # noqa: N802 - as http.server wants it
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = front.answer(Asked(self.command, self.path, headers, body))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            own = {name.lower(): value for name, value in answer.headers.items()}
            is_head = self.command == "HEAD"
            length = own.get("content-length", "0") if is_head else str(len(answer.body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if not is_head:
                self.wfile.write(answer.body[: answer.cut])
            self.close_connection = answer.cut is not None

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        front.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        yield front
