"""No document makes what reads it open a connection or another file, whatever it refers to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.pipeline.children import BoundedFunction, Limits
from chroma_sync.pipeline.extract import Extractor, NotExtracted
from chroma_sync.pipeline.extract.extractor import DOCUMENTS
from unit.extract.samples import (
    docx,
    epub,
    opendocument,
    paragraph,
    pptx,
    relations,
    row,
    shape,
    xlsx,
)

SECRET = "what a Secret holds"


class Watched:
    """A server that counts who comes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.visits = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            with connection:
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n<!ENTITY x 'fetched'>")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture(scope="module")
def server() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.close()


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor() as made:
        yield made


def referring(url: str) -> dict[str, bytes]:
    """Documents that refer to this address in each way that their kinds know."""
    dtd = f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{url}/p.dtd"> %p; <!ENTITY e SYSTEM "{url}/e">]>'
    outside = relations(
        *(("attachedTemplate", url), ("aFChunk", url), ("image", url), ("footnotes", url)),
        outside=True,
    )
    chunk = '<w:altChunk r:id="rId2"/>'
    word = {"word/_rels/document.xml.rels": outside, "word/_rels/settings.xml.rels": outside}
    slide = {"ppt/slides/_rels/slide1.xml.rels": outside}
    sheet = {"xl/worksheets/_rels/sheet1.xml.rels": outside}
    picture = f'<draw:image xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{url}/i.png"/>'
    frame = f"<draw:frame>{picture}</draw:frame>"
    page = (
        f'<html><head><link rel="stylesheet" href="{url}/s.css"><base href="{url}">'
        f'<meta http-equiv="refresh" content="0; {url}"></head><body><p>words</p>'
        f'<img src="{url}/i.png"><iframe src="{url}"></iframe><script src="{url}"></script>'
        f'<object data="{url}"></object></body></html>'
    )
    rtf = (
        r"{\rtf1\ansi words {\field{\*\fldinst { INCLUDEPICTURE "
        f'"{url}/i.png"'
        r" \\d }}{\fldrslt x}} {\field{\*\fldinst { INCLUDETEXT "
        f'"{url}/t"'
        r" }}{\fldrslt x}} {\*\template "
        f"{url}"
        r"}\par}"
    )
    return {
        "entity.docx": docx(paragraph("words &e;"), prolog=dtd),
        "entity.odt": opendocument("text", "<text:p>words &e;</text:p>", prolog=dtd),
        "entity.xlsx": xlsx(row(1, "words"), {"xl/comments1.xml": dtd + "<x>&e;</x>"}),
        "entity.epub": epub(f"{dtd}<html><body>words &e;</body></html>"),
        "relations.docx": docx(paragraph("words") + chunk, word),
        "relations.pptx": pptx(shape("words"), more=slide),
        "relations.xlsx": xlsx(row(1, "words"), sheet),
        "linked.odt": opendocument("text", f"<text:p>words{frame}</text:p>"),
        "page.html": page.encode(),
        "page.epub": epub(page),
        "fields.rtf": rtf.encode(),
    }


def test_no_connection_is_opened(server: Watched, extractor: Extractor) -> None:
    for name, data in referring(server.url).items():
        assert b"words" in extractor.extract(name, data).data, name
    assert server.visits == 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        assert connection.recv(4) == b"HTTP"
    assert server.visits == 1, "the server is one that can be reached"


def test_no_other_file_is_read(extractor: Extractor, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    for name, data in referring(secret.as_uri()).items():
        try:
            text = extractor.extract(name, data).data.decode()
        except NotExtracted:
            continue
        assert SECRET not in text, name


def test_the_kernel_refuses_it(server: Watched) -> None:
    """Also code that a document brings along would be kept from the network, and what it starts."""
    limits = Limits(maps_files=True)
    assert DOCUMENTS.limits.maps_files, "and the function below runs in just such a process"
    with BoundedFunction("unit.children.hostile:call_home", limits) as function:
        before = server.visits
        said = function(str(server.port).encode(), b"", 1_000, bytes.decode)
    assert said == "PermissionError PermissionError from a program: 1"
    assert server.visits == before
