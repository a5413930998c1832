"""`chroma-sync`: run Sources and Invocations on this machine, and ask what was indexed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from chroma_sync.cli import plan, query, run
from chroma_sync.cli.interrupts import INTERRUPTED
from chroma_sync.cli.outcome import UNKNOWN_EXIT_CODE, UsageError, as_step_error, fault, tell
from chroma_sync.pipeline.embed import LOCAL_MODEL

_DEFAULT_FOLDER = Path("chroma")

_HELP = """\
Keep Chroma collections in step with Git repositories, on this machine, without a cluster. YAML
files say what is indexed (a Source) and into which collection (an Invocation).
"""

_EPILOG = """\
`chroma-sync COMMAND --help` has examples.

exit codes: 0 done, 1 a fault of the program, 2 wrong usage, 64 and 65 someone must change
something, 75 try again, 130 stopped by Ctrl-C
"""

_RUN_HELP = f"""\
Run the Invocations of some YAML files, one after the other, in this process.

The files are the ones you would apply to a cluster. Each Invocation names its Source; both may
stand in one file or in several. The records go into an embedded Chroma in a folder, or into a
Chroma server. A run that was broken off goes on where it stopped when you start it again.

The small model {LOCAL_MODEL} runs in this process; any other needs
a server that serves it, named with --tei.

At a terminal a run shows bars. In a pipe it writes lines of JSON; the last one of each Invocation
has the event "complete", "stopped", or "failed" with a reason and a message.

examples:
  chroma-sync run -f source.yaml -f invocation.yaml --model {LOCAL_MODEL}
  chroma-sync run -f source.yaml -f invocation.yaml --tei http://localhost:8080
  chroma-sync run -f both.yaml --tei http://localhost:8080 --chroma http://localhost:8000
"""

_PLAN_HELP = f"""\
Say what `chroma-sync run` with the same options would do: how many documents it would add, change
and remove, how many it would skip and why, and how many texts it would embed. Nothing is written.

example:
  chroma-sync plan -f source.yaml -f invocation.yaml --model {LOCAL_MODEL}
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
        tell(str(error), keep="\n")
        return 2
    except SystemExit:
        raise
    except BaseException as error:  # a library in Rust panics with one that is no Exception
        return _report(error)
    return code


def _report(error: BaseException) -> int:
    """Say why a command broke off. Returns its exit code."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Who read our output has seen enough. What is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNKNOWN_EXIT_CODE
    known = as_step_error(error)
    if known is None:
        tell(f"InternalError: a fault of the program: {fault(error)}. Please report this line.")
        return UNKNOWN_EXIT_CODE
    tell(f"{known.reason.value}: {known}")
    return known.exit_code


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="chroma-sync", description=_HELP, epilog=_EPILOG, formatter_class=raw
    )
    version = f"%(prog)s {metadata.version('chroma-sync')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    running = commands.add_parser(
        "run",
        help="run the Invocations of YAML files: fetch, chunk, embed and write",
        description=_RUN_HELP,
        formatter_class=raw,
    )
    running.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write one line of JSON for each document: what became of it, and why",
    )
    running.set_defaults(action=run.run_files)
    planning = commands.add_parser(
        "plan",
        help="say what a run would do, and write nothing",
        description=_PLAN_HELP,
        formatter_class=raw,
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
            help="YAML file with Sources, Invocations and the Secrets that they name, or - for "
            "stdin; may be given several times",
        )
    asking = commands.add_parser(
        "query",
        help="print the chunks of a collection that fit a question best",
        description=_QUERY_HELP,
        formatter_class=raw,
    )
    asking.add_argument("text", metavar="TEXT", help="the question")
    asking.add_argument("--collection", required=True, metavar="NAME", help="which one to ask")
    asking.add_argument(
        "--limit",
        type=int,
        default=5,
        metavar="N",
        help="how many chunks to print (default: %(default)s)",
    )
    asking.add_argument(
        "--database",
        default="default_database",
        metavar="NAME",
        help="the collection's database (default: %(default)s)",
    )
    asking.add_argument(
        "--tenant",
        default="default_tenant",
        metavar="NAME",
        help="the database's tenant, of a server (default: %(default)s)",
    )
    asking.set_defaults(action=query.query)
    for command, names_model in ((running, "Source"), (planning, "Source"), (asking, "collection")):
        _add_places(command, names_model)
    return parser


def _add_places(command: argparse.ArgumentParser, names_model: str) -> None:
    place = command.add_mutually_exclusive_group()
    place.add_argument(
        "--path",
        type=Path,
        default=_DEFAULT_FOLDER,
        metavar="DIR",
        help="folder of the embedded Chroma (default: %(default)s)",
    )
    place.add_argument("--chroma", metavar="URL", help="a Chroma server instead of a folder")
    command.add_argument(
        "--chroma-token-file",
        type=Path,
        metavar="FILE",
        help="file with the token of the Chroma server (default: what CHROMA_API_KEY holds)",
    )
    command.add_argument(
        "--tei",
        metavar="URL",
        help="a Text Embeddings Inference server that serves the model; not needed for the small "
        "one that runs in this process",
    )
    command.add_argument(
        "--model",
        metavar="NAME",
        help=f"embed with this model instead of the one that the {names_model} names",
    )


if __name__ == "__main__":
    sys.exit(main())
