"""What `--help` tells a new user."""

from __future__ import annotations

import shlex

import pytest

from chroma_sync.cli import main
from chroma_sync.pipeline.embed import LOCAL_MODEL


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_exit_codes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "2 wrong usage, 64 and 65 someone must change something, 75" in words(help_of(capsys))


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
