"""A real Chroma server behind a proxy that wants credentials, and that refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.session import NO_TOKEN, Token
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.chroma_server import chroma_server
from fakes.git_host import serving
from fakes.guard import Refuse, guarded, page, wants
from fakes.proxy import Asked
from fakes.scripted_tei import Reply, ok

MakeTools = Callable[..., Toolbox]
TENANT, DATABASE = "default_tenant", "default_database"


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("server")) as url:
        yield url


def a_token(*values: str) -> Token:
    """One that is renewed at each request, until the last."""
    left = list(values)
    return Token(lambda: left.pop(0) if len(left) > 1 else left[0], "Look at the Secret.")


def connect(url: str, token: Token = NO_TOKEN, seconds: float = 30.0) -> Database:
    return Database.connect(
        url, TENANT, DATABASE, token, retry_seconds=seconds, sleep=lambda _: None
    )


@pytest.mark.parametrize(
    ("header", "value"), [("X-Chroma-Token", "canary-1"), ("Authorization", "Bearer canary-1")]
)
def test_all_routes_may_want_the_token(server_url: str, header: str, value: str) -> None:
    with guarded(server_url, wants(header, value)) as guard:
        database = connect(guard.url, a_token("canary-1"))
        database.create(f"by-{header}", {"a": 1})
        assert database.find(f"by-{header}") is not None
        assert database.write_limit() == 300
        database.close()
    assert len(guard.asked) >= 4
    assert {asked.headers.get(header.lower()) for asked in guard.asked} == {value}


def test_a_user_in_the_address(server_url: str) -> None:
    refuse = wants("Authorization", "Basic cm9ib3Q6Y2FuYXJ5QDE=")
    with guarded(server_url, refuse) as guard:
        url = guard.url.replace("//", "//robot:canary%401@")
        database = connect(url, a_token("t"))
        assert database.find("nope") is None
        database.close()
        assert {asked.headers.get("x-chroma-token") for asked in guard.asked} == {"t"}
        guard.refuse = lambda _: page(502, "502 Bad Gateway")
        with pytest.raises(Temporary) as caught:
            connect(url, seconds=0)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_proxy_that_lets_nobody_in(server_url: str, status: int) -> None:
    def echo(asked: Asked) -> Reply:
        return page(status, f"You sent {asked.headers.get('authorization')}")

    with guarded(server_url, echo) as guard:
        with pytest.raises(Misconfigured) as caught:
            connect(guard.url, a_token("canary-1"))
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED
    said = str(caught.value)
    assert f"HTTP {status} (text/html), which is none of Chroma's own answers" in said
    assert "nginx" in said and "<" not in said
    assert said.endswith("Look at the Secret.")
    assert "canary" not in said
    assert len(guard.asked) == 1


def test_a_token_that_is_renewed_in_mid_run(server_url: str) -> None:
    with guarded(server_url, wants("X-Chroma-Token", "old")) as guard:
        token = a_token("old", "old", "old", "old", "new")
        database = connect(guard.url, token)
        guard.refuse = wants("X-Chroma-Token", "new")
        assert database.find("nope") is None
        database.close()
    sent = [asked.headers["x-chroma-token"] for asked in guard.asked]
    assert sent == ["old", "old", "old", "old", "new"]


def test_a_token_that_is_taken_back_is_trouble(server_url: str) -> None:
    with guarded(server_url, wants("X-Chroma-Token", "old")) as guard:
        database = connect(guard.url, a_token("old"), seconds=1.0)
        guard.refuse = wants("X-Chroma-Token", "new")
        with pytest.raises(Temporary) as caught:
            database.find("nope")
        database.close()
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED


TROUBLE: list[Reply] = [
    page(503, "The dimension of this is unknown"),
    page(404, "404 Not Found"),
    page(200, "Log in"),
    (302, "text/html", b""),
    (400, "text/plain", b"dimension"),
    (413, "text/plain", b"dimension"),
    (200, "application/json", b"not JSON"),
    ok({"no": "name"}),
    ok(["no", "object"]),
    (503, "application/json", b'{"error": "Unavailable", "message": "dimension"}'),
    (500, "application/json", b'{"error": "InternalError", "message": "dimension"}'),
]


@pytest.mark.parametrize("reply", TROUBLE, ids=lambda reply: f"{reply[0]} {reply[2][:20]!r}")
@pytest.mark.parametrize("good", [0, 3])
def test_an_odd_answer_is_waited_out(server_url: str, reply: Reply, good: int) -> None:
    """Also to the very first question."""
    count = 0

    def refuse(_: Asked) -> Reply | None:
        nonlocal count
        count += 1
        return reply if good < count <= good + 2 else None

    with guarded(server_url, refuse) as guard:
        database = connect(guard.url)
        assert database.find("nope") is None
        assert list(database.collections()) is not None
        database.close()
    assert count > good + 2


def test_an_address_with_the_word_dimension(server_url: str) -> None:
    with guarded(server_url, lambda _: page(503, "503 Service Unavailable")) as guard:
        with pytest.raises(Temporary) as caught:
            connect(f"{guard.url}/chroma-dimension", seconds=0)
    assert caught.value.reason is Reason.CHROMA_UNAVAILABLE
    assert "/chroma-dimension" in str(caught.value)


WALL = b"".join(
    b"%d bottles of beer on the wall, take one down and pass it around\n" % i for i in range(300)
)
FILES = {
    "attack.md": repository.GeneratedFile(b"# Attack\n\n' OR 1=1; DROP TABLE users\n"),
    "bread.md": repository.GeneratedFile(b"# Bread\n\nBake it.\n"),
    "wall.txt": repository.GeneratedFile(WALL),
}


@pytest.fixture
def run_behind(
    server_url: str, make_tools: MakeTools, tmp_path: Path
) -> Iterator[Callable[[Refuse], Toolbox]]:
    """Does a whole run into a server that refuses some writes. Returns what it was done with."""
    with ExitStack() as stack:

        def run(refuse: Refuse) -> Toolbox:
            (tmp_path / "host" / "acme").mkdir(parents=True)
            [commit] = repository.write(tmp_path / "host" / "acme" / "shop", [FILES])
            git = stack.enter_context(serving(tmp_path / "host"))
            guard = stack.enter_context(
                guarded(server_url, lambda a: refuse(a) if a.path.endswith("/upsert") else None)
            )
            database = connect(guard.url, seconds=1.0)
            stack.callback(database.close)
            made = make_tools(sha=commit, base_url=git, collection=tmp_path.name.strip("_"))
            tools = replace(made, database=database)
            steps.run(tools)
            return tools

        yield run


def test_a_firewall_that_takes_one_text_for_an_attack(
    run_behind: Callable[[Refuse], Toolbox],
) -> None:
    tools = run_behind(lambda a: page(403, "Blocked") if b"DROP TABLE" in a.body else None)
    result = tools.progress.result()
    assert (result.documents.indexed, result.documents.failed) == (2, 1)
    [failure] = result.failures
    assert (failure.document, failure.reason) == ("attack.md", "RecordRejected")
    assert "HTTP 403 (text/html)" in failure.message


def test_a_firewall_that_stops_to_take_anything(
    run_behind: Callable[[Refuse], Toolbox],
) -> None:
    with pytest.raises(Temporary):
        run_behind(lambda _: page(403, "Blocked"))


def test_a_proxy_that_takes_little_at_once(run_behind: Callable[[Refuse], Toolbox]) -> None:
    sizes: list[int] = []

    def refuse(asked: Asked) -> Reply | None:
        too_large = len(asked.body) > 20_000
        if not too_large:
            sizes.append(len(asked.body))
        return page(413, "413 Request Entity Too Large") if too_large else None

    tools = run_behind(refuse)
    assert tools.progress.result().documents.indexed == 3
    assert sum(sizes) > 100_000 and max(sizes) <= 20_000
