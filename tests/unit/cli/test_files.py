"""The files that `chroma-sync run` reads and writes."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from chroma_sync.cli.main import _parser, main
from chroma_sync.cli.run import prepared

README = Path(__file__).parents[3] / "README.md"


def test_the_readme_can_be_followed_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before, _, rest = README.read_text(encoding="utf-8").partition("```yaml\n")
    assert "make setup" in before
    text, _, after = rest.partition("```\n")
    Path("kopf.yaml").write_text(text)
    [command] = re.findall(r"^\.venv/bin/chroma-sync (run .*)$", after, flags=re.MULTILINE)
    [job] = prepared(_parser().parse_args(shlex.split(command)))
    asked = f"--collection {job.invocation.spec.target_collection_name}\n"
    assert asked in after


def test_objects_from_stdin(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(Path(file).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    [job] = prepared(_parser().parse_args(["run", "-f", "-"]))
    assert job.invocation.metadata.name == "run"


@pytest.mark.parametrize("second", ["both.yaml", "copy.yaml"])
def test_an_object_that_stands_in_two_files(
    file: str, capsys: pytest.CaptureFixture[str], second: str
) -> None:
    Path(second).write_text(Path(file).read_text())
    assert main(["plan", "-f", file, "-f", second]) == 2
    told = capsys.readouterr()
    assert told.err == (
        f"chroma-sync: Source/shop: metadata.name: stands in both.yaml and in {second}. "
        "Rename or remove one of the two.\n"
    )


def test_a_report_to_stdout_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-f", file, "--report", "-"]) == 2
    assert capsys.readouterr().err == (
        "chroma-sync: --report: stdout holds the run's own lines; name a file\n"
    )
    assert not Path("-").exists()
