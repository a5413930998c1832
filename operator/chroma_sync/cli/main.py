"""`chroma-sync`: run Sources and Invocations on this machine, and ask what was indexed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from chroma_sync.cli import plan, query, run
from chroma_sync.cli.outcome import UsageError, as_step_error

_DEFAULT_FOLDER = Path("chroma")

_RUN_HELP = """\
Run the Invocations of some YAML files, one after the other, in this process.

The files are the ones you would apply to a cluster. Each Invocation names its Source; both may
stand in one file or in several. The records go into an embedded Chroma in a folder, or into a
Chroma server. A run that was broken off goes on where it stopped when you start it again.

examples:
  chroma-sync run -f source.yaml -f invocation.yaml
  chroma-sync run -f source.yaml -f invocation.yaml --chroma http://localhost:8000
  chroma-sync run -f source.yaml -f invocation.yaml --tei http://localhost:8080
"""

_PLAN_HELP = """\
Say what `chroma-sync run` would do with the same files: which documents it would add, change and
remove, which it would skip and why, and how many texts it would embed. Nothing is written.

example:
  chroma-sync plan -f source.yaml -f invocation.yaml
"""

_QUERY_HELP = """\
Print the chunks of a collection that fit a question best, with file, lines and score.

The question is embedded with the model and the instruction that the collection remembers. The
score is the cosine similarity: 1 is the same direction, 0 is unrelated.

example:
  chroma-sync query "where are retries bounded?" --collection demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 a fault of the program, 2 wrong usage, 64, 65 and 75 as in
    the contract with pods, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.action(arguments)
    except UsageError as error:
        print(f"chroma-sync: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        known = as_step_error(error)
        if known is None:
            raise
        print(f"chroma-sync: {known.reason.value}: {known}", file=sys.stderr)
        return known.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chroma-sync", description=__doc__)
    version = f"%(prog)s {metadata.version('chroma-sync')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter

    running = commands.add_parser(
        "run", help="run Invocations here", description=_RUN_HELP, formatter_class=raw
    )
    running.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write one line of JSON for each document: what became of it, and why",
    )
    running.set_defaults(action=run.run_files)
    planning = commands.add_parser(
        "plan", help="say what a run would do", description=_PLAN_HELP, formatter_class=raw
    )
    planning.set_defaults(action=plan.plan_files)
    for command in (running, planning):
        command.add_argument(
            *("-f", "--file"),
            action="append",
            required=True,
            type=Path,
            metavar="FILE",
            dest="files",
            help="YAML file with Sources, Invocations and the Secrets that they name; may be "
            "given several times",
        )
    asking = commands.add_parser(
        "query", help="ask a collection", description=_QUERY_HELP, formatter_class=raw
    )
    asking.add_argument("text", metavar="TEXT", help="the question")
    asking.add_argument("--collection", required=True, metavar="NAME")
    asking.add_argument(
        "--limit", type=int, default=5, metavar="N", help="how many chunks to print (default 5)"
    )
    asking.add_argument(
        "--database", default="default_database", metavar="NAME", help="default_database if absent"
    )
    asking.add_argument(
        "--tenant", default="default_tenant", metavar="NAME", help="default_tenant if absent"
    )
    asking.set_defaults(action=query.query)
    for command in (running, planning, asking):
        _add_places(command)
    return parser


def _add_places(command: argparse.ArgumentParser) -> None:
    place = command.add_mutually_exclusive_group()
    place.add_argument(
        "--path",
        type=Path,
        default=_DEFAULT_FOLDER,
        metavar="DIR",
        help=f"folder of the embedded Chroma (default: {_DEFAULT_FOLDER})",
    )
    place.add_argument("--chroma", metavar="URL", help="a Chroma server instead of a folder")
    command.add_argument(
        "--tei", metavar="URL", help="a Text Embeddings Inference server that serves the model"
    )
    command.add_argument(
        "--model",
        metavar="NAME",
        help="embed with this model instead of the one that the Source or the collection names",
    )


if __name__ == "__main__":
    sys.exit(main())
