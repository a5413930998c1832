"""A real smart-HTTP Git host on loopback: git's own `git http-backend` behind a few lines.

Repositories are folders under `root`; `http://host:port/OWNER/NAME` serves `root/OWNER/NAME`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chroma_sync.pipeline.fetch.git.command import as_environment
from fakes.running import running

_BODY_MAX = 10 * 1024 * 1024
_CHUNK = 64 * 1024
# As the large hosts do: commits can be had without their files.
_SETTINGS = {"safe.directory": "*", "uploadpack.allowFilter": "true"}


class Handler(BaseHTTPRequestHandler):
    """Hands every request on to git."""

    server: GitHost
    protocol_version = "HTTP/1.1"  # 1.0 has no chunks

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def serve(self) -> None:
        """Answer a request."""
        self.serve_git()

    def protocol(self) -> str:
        """The version of Git's protocol, as the client wants it."""
        return self.headers.get("Git-Protocol", "")

    def settings(self) -> dict[str, str]:
        """More settings of git."""
        return {}

    def serve_git(self) -> None:
        """Answer as git does."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _BODY_MAX or self.headers.get("Transfer-Encoding"):
            self.send_error(413)
            return
        url = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            **as_environment(_SETTINGS | self.settings()),
            "GIT_PROTOCOL": self.protocol(),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": self.client_address[0],
        }
        # The answer may be larger than memory, so it is passed on as it comes. The request is
        # small; from a file, git may read it whenever it likes.
        with tempfile.TemporaryFile() as request:
            request.write(self.rfile.read(length))
            request.seek(0)
            with subprocess.Popen(
                ["git", "http-backend"],
                stdin=request,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            ) as process:
                assert isinstance(process.stdout, BufferedReader)
                self._pass_on(process.stdout)

    def _pass_on(self, answer: BufferedReader) -> None:
        """Send on what git says, in chunks: it does not tell the length."""
        lines = (line.decode("latin-1").strip() for line in iter(answer.readline, b""))
        headers = [line.partition(": ") for line in takewhile(bool, lines)]
        status = next((value for name, _, value in headers if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, _, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := answer.read1(_CHUNK):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at results, not at access logs."""


class ProtocolV0(Handler):
    """A host of the old protocol: it gives no commit that is not the end of a branch or tag."""

    def protocol(self) -> str:
        return ""


class Unwell(Handler):
    """Once `server.trouble` is set, answers each of the next so many requests with that status."""

    def serve(self) -> None:
        if self.server.trouble:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_error(self.server.trouble.pop(0))
        else:
            self.serve_git()


class PacksSlowly(Handler):
    """Needs six seconds to make a pack, and sends nothing meanwhile but a sign of life (five bytes)
    each second."""

    keep_alive = 1

    def settings(self) -> dict[str, str]:
        return {
            "uploadpack.packObjectsHook": "sleep 6; exec",
            "uploadpack.keepAlive": str(self.keep_alive),
        }


class PacksInSilence(PacksSlowly):
    """As that one, without a sign of life."""

    keep_alive = 0


class GitHost(ThreadingHTTPServer):
    """The server. `root` holds the repositories; `trouble` the statuses that an `Unwell` handler
    answers next."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], root: Path, handler: type[Handler] = Handler
    ) -> None:
        super().__init__(address, handler)
        self.root = root
        self.trouble: list[int] = []


@contextmanager
def serving(
    root: Path, host: str = "127.0.0.1", port: int = 0, handler: type[Handler] = Handler
) -> Iterator[str]:
    """Serve the repositories under a folder until the block ends. Yields the base URL."""
    with running(GitHost((host, port), root, handler)) as server:
        yield f"http://{host}:{server.server_address[1]}"


if __name__ == "__main__":
    import sys

    with GitHost(("", int(sys.argv[2])), Path(sys.argv[1])) as main_server:
        main_server.serve_forever()
