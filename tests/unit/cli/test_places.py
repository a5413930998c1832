"""The places that `chroma-sync run` and `plan` are told to work with."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.cli.main import main
from chroma_sync.cli.places import _token
from chroma_sync.pipeline.errors import Misconfigured


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/null/x", "--path: /dev/null/x can't be created: Not a directory\n"),
        ("/proc/x", "--path: /proc/x can't be created: No such file or directory\n"),
        ("a-file", "--path: a-file is not a folder; name another one\n"),
    ],
)
def test_a_folder_that_cannot_be(
    file: str, capsys: pytest.CaptureFixture[str], path: str, says: str
) -> None:
    assert main(["run", "-f", file, "--path", path]) == 2
    assert capsys.readouterr().err == f"chroma-sync: {says}"


RUN = ["run", "-f", "both.yaml"]
PLAN = ["plan", "-f", "both.yaml"]
QUERY = ["query", "bread", "--collection", "shop"]
COMMANDS = pytest.mark.parametrize("command", [RUN, PLAN, QUERY], ids=lambda command: command[0])


# Not by their modes: the tests may run as root.
@COMMANDS
def test_a_folder_that_cannot_be_written(
    file: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    def refused(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    folder = Path("chroma").absolute()
    folder.mkdir()
    (folder / "chroma.sqlite3").touch()
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said == f"chroma-sync: --path: {folder} can't be written: Permission denied\n"


@COMMANDS
def test_a_folder_that_cannot_be_looked_into(
    file: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    assert main(command) == 2
    said = capsys.readouterr().err
    folder = Path("chroma").absolute()
    assert said == f"chroma-sync: --path: {folder} can't be read: Permission denied\n"


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--path", "a-file"], "--path: a-file is not a folder"),
        (["--chroma", "127.0.0.1:1"], "--chroma: must begin with http:// or https://"),
        (["--tei", "127.0.0.1:1"], "--tei: must begin with http:// or https://"),
        (["--model", "a/b/c"], "--model: must be a model's id"),
    ],
)
def test_wrong_usage_is_found_before_a_run_begins(
    file: str, capsys: pytest.CaptureFixture[str], command: str, options: list[str], says: str
) -> None:
    assert main([command, "-f", file, *options]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""


def test_a_plan_names_the_folder_that_the_user_named(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chroma = '  chroma: {url: "http://chroma.example"}\n---'
    Path(file).write_text(Path(file).read_text().replace("---", chroma, 1))
    main(["plan", "-f", file, "--path", "fresh"])
    [note, *_] = capsys.readouterr().err.splitlines()
    assert note == (
        "chroma-sync: spec.chroma of Source shop counts on a cluster only; here: folder fresh."
    )
    assert not Path("fresh").exists()


CHROMA = ["--chroma", "http://127.0.0.1:1"]


@COMMANDS
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--chroma", "http://robot:canary@:1"], "--chroma: must begin with http:// or https://"),
        (["--chroma", "robot:canary@chroma:8000"], "and name a host, not 'chroma:8000'"),
        ([*CHROMA, "--chroma-token-file", "nope"], "nope can't be read: No such file or directory"),
        ([*CHROMA, "--chroma-token-file", "a-file"], "--chroma-token-file: a-file is empty"),
        (["--chroma-token-file", "a-file"], "--chroma-token-file: is for a server: name it with"),
    ],
)
def test_how_a_server_is_named(
    file: str,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    options: list[str],
    says: str,
) -> None:
    assert main([*command, *options]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "canary" not in said


def token_of(*options: str) -> str | None:
    arguments = argparse.Namespace(chroma_token_file=Path(*options) if options else None)
    return _token(arguments)


def test_the_token_of_a_server(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMA_API_KEY", raising=False)
    assert token_of() is None
    monkeypatch.setenv("CHROMA_API_KEY", "of-the-environment\n")
    assert token_of() == "of-the-environment"
    Path("token").write_text("of-the-file\n")
    assert token_of("token") == "of-the-file"
    Path("token").write_text("renewed\n")
    assert token_of("token") == "renewed"


@pytest.mark.parametrize("bad", ["canary\nX-Header: canary", "canary-ü"])
def test_a_token_that_no_header_may_hold(
    file: str, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    Path("token").write_text(bad, encoding="utf-8")
    monkeypatch.setenv("CHROMA_API_KEY", bad)
    for options in ([], ["token"]):
        with pytest.raises(Misconfigured) as caught:
            token_of(*options)
        assert caught.value.reason is Reason.CREDENTIALS_REJECTED
        assert "canary" not in str(caught.value)
