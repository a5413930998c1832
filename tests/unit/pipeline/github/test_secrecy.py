"""Credentials go to their host and are seen nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError
from chroma_sync.pipeline.fetch.git.access import basic_login
from fakes.certificates import certificates
from fakes.github import github
from unit.pipeline.github.kit import (
    KEY,
    PASSWORD,
    TOKEN,
    WAYS,
    Given,
    Host,
    Recorder,
    app,
    assert_no_secret,
    new_state,
    read_all,
    source,
)


def test_the_search_for_secrets_finds_them(host: Host) -> None:
    for text in (KEY, TOKEN, basic_login("robot", PASSWORD).header):
        with pytest.raises(AssertionError):
            assert_no_secret(f"so: {text}.", host)
    assert_no_secret(repr(basic_login("robot", PASSWORD)), host)


def test_the_users_own_logins_are_not_used(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither .netrc nor a program that asks for passwords."""
    asks = tmp_path / "ask"
    asks.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho {PASSWORD}\n")
    asks.chmod(stat.S_IRWXU)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login robot password {PASSWORD}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(variable, str(asks))
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given()).check()
    assert caught.value.reason is Reason.REPOSITORY_NOT_FOUND
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_no_credentials_go_to_another_host(
    host: Host, recorder: Recorder, tmp_path: Path, way: str, name: str
) -> None:
    host.state.redirect = f"http://{name}:{recorder.server_address[1]}"
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, WAYS[way]).check()
    assert caught.value.reason is Reason.REPOSITORY_MOVED
    assert recorder.seen == [], "nothing at all goes there"


def test_a_host_that_redirects_in_mid_run(host: Host, recorder: Recorder, tmp_path: Path) -> None:
    reading = source(host.url, tmp_path, app())
    revision = reading.resolve()
    host.state.redirect = f"http://localhost:{recorder.server_address[1]}"
    with pytest.raises(Misconfigured):
        reading.prepare(revision)
    assert recorder.seen == []


@pytest.mark.parametrize("way", WAYS)
def test_a_host_that_redirects_only_what_is_posted(
    host: Host, recorder: Recorder, tmp_path: Path, way: str
) -> None:
    """With an App the request for a token, else git's second question."""
    host.state.redirect_posts = f"http://localhost:{recorder.server_address[1]}"
    with pytest.raises(StepError):
        source(host.url, tmp_path, WAYS[way]).check()
    assert recorder.seen == []


@pytest.mark.parametrize("way", WAYS)
def test_the_authorities_of_a_source_go_before_the_users(
    root: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    known, other = certificates("127.0.0.1"), certificates("127.0.0.1")
    (tmp_path / "users.crt").write_text(known.authority)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "users.crt"))
    secrets = WAYS[way].values["source"]
    with github(root[0], new_state(), known) as url:
        assert read_all(source(url, tmp_path, Given(source=secrets))) == {"a.py": b"2"}
        with pytest.raises(Misconfigured) as caught:
            source(
                url, tmp_path, Given(source=secrets, source_ca={"ca.crt": other.authority})
            ).check()
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED


@pytest.mark.parametrize("way", WAYS)
def test_certificates(root: tuple[Path, list[str]], tmp_path: Path, way: str) -> None:
    known, other = certificates("127.0.0.1"), certificates("127.0.0.1")
    secrets = WAYS[way].values["source"]
    with github(root[0], new_state(), known) as url:
        trusting = Given(source=secrets, source_ca={"ca.crt": known.authority})
        assert read_all(source(url, tmp_path, trusting)) == {"a.py": b"2"}
        for doubting in (
            Given(source=secrets),
            Given(source=secrets, source_ca={"ca.crt": other.authority}),
        ):
            with pytest.raises(Misconfigured) as caught:
                source(url, tmp_path, doubting).check()
            assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
            assert "spec.github.caSecretRef" in str(caught.value)


def test_a_certificate_that_is_none(host: Host, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given(source_ca={"ca.crt": "canary"}))
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
    assert "'ca'" in str(caught.value) and "canary" not in str(caught.value)
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given(source_ca={"else": "x"}))
    assert caught.value.reason is Reason.SECRET_NOT_FOUND


GIT = """#!/bin/sh
{ printf '%%s ' git "$@"; echo; } >> "%(log)s.argv"
{ printf '%%s ' git "$@"; echo; env; } >> "%(log)s.env"
exec "%(git)s" "$@"
"""


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_in_arguments_or_files(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Every git that is started writes down its arguments and its environment first."""
    real = next(p for f in os.get_exec_path() if (p := Path(f) / "git").exists())
    tools, log, scratch = tmp_path / "bin", tmp_path / "log", tmp_path / "scratch"
    tools.mkdir()
    scratch.mkdir()
    (tools / "git").write_text(GIT % {"log": log, "git": real})
    (tools / "git").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert read_all(source(host.url, scratch, WAYS[way])) == {"a.py": b"2"}
    arguments = log.with_suffix(".argv").read_text()
    assert "ls-remote" in arguments and "cat-file" in arguments
    assert_no_secret(arguments, host)
    started = log.with_suffix(".env").read_text().split("git ls-remote")[1:]
    assert "Authorization: Basic" in started[0], "the login goes by environment"
    here = log.with_suffix(".env").read_text().split("git -C")
    local = [part for part in here if part.lstrip().partition("\n")[0].find("cat-file") > 0]
    assert local and not any("Authorization" in part for part in local)
    kept = b"".join(p.read_bytes() for p in scratch.rglob("*") if p.is_file())
    assert_no_secret(kept.decode("latin-1"), host)
