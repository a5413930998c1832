"""How a worker's pod reads its tokens, and how what it did becomes an exit code and a result."""

from __future__ import annotations

import json
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.configuration import ChromaServer, Configuration, EmbeddingConfiguration
from chroma_sync.api.contract import (
    ExitCode,
    Result,
    SecretKey,
    SecretUse,
    Step,
    configuration_file,
)
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.cli import worker
from chroma_sync.cli.outcome import UNKNOWN_EXIT_CODE
from chroma_sync.cli.worker import MountedSecrets
from chroma_sync.pipeline.children import NotRunning
from chroma_sync.pipeline.embed import EmbeddingUnavailable
from chroma_sync.pipeline.errors import Misconfigured, Stopped
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import token
from unit.api.golden import golden


class Panic(BaseException):
    """As libraries in Rust raise it."""


BAD_TOKENS = [b"canary-\xc3\xbc", b"canary-\xff", b"canary\nX-Header: canary", b"canary\x00"]


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the Secrets' tokens are mounted. Nothing is there yet."""
    file = tmp_path / "token"
    monkeypatch.setattr(worker, "secret_file", lambda use, key: file)
    return file


def test_no_secret_is_no_token(token_file: Path) -> None:
    token_file.write_text("another's")
    assert token(MountedSecrets(), SecretUse.CHROMA, None, SecretKey.TOKEN) is None


@pytest.mark.parametrize("content", ["canary-1", "canary-1\n", "  canary-1\r\n"])
def test_a_token_ends_before_its_newline(token_file: Path, content: str) -> None:
    token_file.write_text(content)
    assert token(MountedSecrets(), SecretUse.CHROMA, "mine", SecretKey.TOKEN) == "canary-1"


@pytest.mark.parametrize("content", [None, b"", b" \n"])
def test_a_token_that_is_not_there(token_file: Path, content: bytes | None) -> None:
    if content is not None:
        token_file.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        token(MountedSecrets(), SecretUse.TEI, "mine", SecretKey.TOKEN)
    assert caught.value.reason is Reason.SECRET_NOT_FOUND
    assert "no Secret 'mine', or it has no key 'token'" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("content", BAD_TOKENS)
def test_a_token_that_no_header_can_hold(token_file: Path, content: bytes) -> None:
    token_file.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        token(MountedSecrets(), SecretUse.CHROMA, "mine", SecretKey.TOKEN)
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED
    assert "'mine'" in str(caught.value)
    assert "canary" not in str(caught.value)


def attempt() -> tuple[int, Result]:
    return worker._attempt(Step.CHECK, {}, Progress(), StopSignal())


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the configuration is mounted. Nothing is there yet."""
    folder = tmp_path / "configuration"
    folder.mkdir()
    monkeypatch.setattr(worker, "CONFIGURATION", folder)
    return folder


def give(folder: Path, configuration: str) -> Path:
    file = folder / configuration_file(configuration.encode())
    file.write_text(configuration)
    return file


def test_a_configuration_that_others_put_into_its_place_is_not_used(folder: Path) -> None:
    """It would have the pod's Secrets sent to a server of theirs."""
    code, result = attempt()
    assert (code, result.reason) == (ExitCode.TEMPORARY, "PodFailed")
    file = give(folder, json.dumps(golden("v0.1.0", "configuration")))
    file.write_text(json.dumps(golden("next", "configuration")))
    code, result = attempt()
    assert (code, result.reason) == (ExitCode.TEMPORARY, "PodFailed")
    assert "does not hold what the operator wrote into it" in result.message


@pytest.mark.parametrize("content", BAD_TOKENS)
def test_a_bad_token_ends_a_step(
    token_file: Path,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    content: bytes,
) -> None:
    token_file.write_bytes(content)
    configuration = Configuration(
        source="default/shop",
        database="default_database",
        chroma=ChromaServer(url="http://127.0.0.1:1", token_secret="mine"),
        embedding=EmbeddingConfiguration(model="acme/m", url="http://127.0.0.1:1"),
        chunking=Chunking(),
        github=GithubSource.model_validate({"repository": "acme/shop"}),
        job_template=JobTemplate(),
    )
    give(folder, configuration.model_dump_json(by_alias=True))
    code, result = attempt()
    assert (code, result.reason) == (ExitCode.CONFIGURATION, "CredentialsRejected")
    assert "canary" not in result.model_dump_json() + "".join(capfd.readouterr())


@pytest.mark.parametrize("value", ["", '{"source": "canary-1"}'])
def test_a_configuration_of_another_release(folder: Path, value: str) -> None:
    give(folder, value)
    code, result = attempt()
    assert (code, result.reason) == (ExitCode.TEMPORARY, "NewerRelease")
    assert "of the operator's release" in result.message
    assert "canary" not in result.message


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Stopped(), ExitCode.TEMPORARY, ""),
        (EmbeddingUnavailable("it is down"), ExitCode.TEMPORARY, "EmbeddingUnavailable"),
        (NotRunning("no time to run"), ExitCode.TEMPORARY, "InternalError"),
        (ValueError("canary-1"), UNKNOWN_EXIT_CODE, "InternalError"),
        (Panic("canary-1"), UNKNOWN_EXIT_CODE, "InternalError"),
        (OSError(28, "canary-1"), ExitCode.TEMPORARY, "ScratchFull"),
    ],
)
def test_how_a_step_ends(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, reason: str
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(worker, "_opened_tools", broken)
    ended, result = attempt()
    assert (ended, result.reason) == (code, reason)
    assert result.message
    assert "canary" not in result.message, "a fault's own words may hold anything"


def test_a_step_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_opened_tools", lambda *_: nullcontext())
    monkeypatch.setattr(worker, "_do", lambda *_: None)
    assert attempt() == (ExitCode.DONE, Result())


@pytest.mark.parametrize(
    "changes", [{"requires": ["submodules"]}, {"chunking": {"type": "semantic"}}, {"github": None}]
)
def test_a_configuration_that_is_not_understood_is_no_end(
    folder: Path, changes: dict[str, Any]
) -> None:
    """The next pod may be of the operator's release."""
    given = golden("next", "configuration") | changes
    give(folder, json.dumps(given))
    code, result = attempt()
    assert code == ExitCode.TEMPORARY
    assert result.reason == Reason.NEWER_RELEASE
    assert "Its image must be of the operator's release" in result.message


def test_what_a_configuration_holds_besides_is_left_out(folder: Path) -> None:
    given = golden("next", "configuration")
    give(folder, json.dumps(given))
    configuration = worker._configuration(folder)
    assert configuration == Configuration.model_validate(golden("v0.1.0", "configuration"))


def test_a_worker_that_is_in_no_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its port is taken, and nobody waits for its result."""
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setattr(worker, "PROGRESS_PORT", taken.getsockname()[1])
        monkeypatch.setattr(worker, "TERMINATION_LOG", tmp_path / "nowhere" / "log")
        monkeypatch.setattr("signal.signal", lambda *_: None)
        assert worker.main(["check"]) == UNKNOWN_EXIT_CODE
    said = "".join(capfd.readouterr())
    assert "OSError at" in said
    assert "not reported" in said
    assert "Traceback" not in said
