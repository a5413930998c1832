"""What `--help` tells a new user."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chroma_sync.cli import main, plan, query, run
from chroma_sync.pipeline.embed import LOCAL_MODEL

README = Path(__file__).resolve().parents[3] / "README.md"


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_exit_codes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, codes = words(help_of(capsys)).partition("exit codes: ")
    assert codes.startswith("0 done, 1 a fault of the program, 2 wrong usage, 64 and 65 someone")
    assert f"Exit codes: {codes}." in words(README.read_text(encoding="utf-8"))


def test_the_model_that_needs_no_server_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"The small model {LOCAL_MODEL} runs in this process" in help_of(capsys, "run")


@pytest.mark.parametrize(("command", "who"), [("run", "Source"), ("query", "collection")])
def test_who_names_the_model(capsys: pytest.CaptureFixture[str], command: str, who: str) -> None:
    said = words(help_of(capsys, command))
    assert said.endswith(f"embed with this model instead of the one that the {who} names")


@pytest.mark.parametrize("command", ["run", "plan", "query"])
def test_the_examples_can_be_typed(capsys: pytest.CaptureFixture[str], command: str) -> None:
    lines = [line.strip() for line in help_of(capsys, command).splitlines()]
    examples = [line for line in lines if line.startswith(f"chroma-sync {command} ")]
    assert examples
    for example in examples:
        arguments = main._parser().parse_args(shlex.split(example)[1:])
        # The model of a Source that names none is served by no process here.
        assert command == "query" or arguments.tei or arguments.model


class Panic(BaseException):
    """As libraries in Rust raise it."""


@pytest.mark.parametrize("command", ["run", "plan", "query"])
@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ValueError("canary"), 1, "InternalError: a fault of the program: ValueError at test_main"),
        (Panic("canary"), 1, "InternalError: a fault of the program: Panic at test_main"),
        (OSError(28, "canary"), 75, "ScratchFull: The disk of the folder"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_no_command_ends_in_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    error: BaseException,
    code: int,
    says: str,
) -> None:
    def broken(_: object) -> int:
        raise error

    monkeypatch.setattr(run, "run_files", broken)
    monkeypatch.setattr(plan, "plan_files", broken)
    monkeypatch.setattr(query, "query", broken)
    options = ["x", "--collection", "y"] if command == "query" else ["-f", "x"]
    assert main.main([command, *options]) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said and "canary" not in said


def test_a_reader_that_has_seen_enough() -> None:
    script = (
        "import sys; from chroma_sync.cli import main\n"
        "main.plan.plan_files = lambda _: print('x' * 1_000_000)\n"
        "sys.exit(main.main(['plan', '-f', 'x']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1
