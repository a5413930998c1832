"""The command line of the test bed."""

import argparse
import subprocess
import sys
from pathlib import Path

from . import images, lifecycle, namespaces, toolchain
from .errors import TestbedError
from .first_process import main as first_process
from .paths import Cluster

CANNOT_RUN = 3


def main(arguments: list[str]) -> int:
    """Run one command; 0 is success, 3 means that this machine can't run a cluster."""
    if arguments[:1] == ["first-process"]:
        return first_process(Cluster(Path(arguments[1])))
    # Not argparse's to read: CMD has options and a -- of its own.
    program = arguments[1:] if arguments[:1] == ["exec"] and "-h" not in arguments[1:2] else []
    options = _parser().parse_args(["exec", "CMD"] if program else arguments)
    try:
        return _run(options, program[1:] if program[:1] == ["--"] else program)
    except (TestbedError, OSError, subprocess.SubprocessError) as error:
        print(f"testbed {options.command}: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, program: list[str]) -> int:
    if options.command == "check":
        reason = toolchain.why_not()
        if reason:
            print(reason)
        return CANNOT_RUN if reason else 0
    if options.command == "prepare":
        reason = toolchain.why_not()
        if reason:
            print(reason, file=sys.stderr)
            return CANNOT_RUN
        toolchain.prepare()
        return 0
    cluster = Cluster.from_environment()
    if options.command == "up":
        lifecycle.up(cluster)
        print(f"ready; KUBECONFIG={cluster.kubeconfig}")
    elif options.command == "down":
        lifecycle.down(cluster)
    elif options.command == "status":
        text, well = lifecycle.status(cluster)
        print(text)
        return 0 if well else 1
    elif options.command == "exec":
        return namespaces.execute(cluster, program)
    elif options.image_command == "build":
        build_arguments = dict(item.split("=", 1) for item in options.build_arg)
        print(images.build(options.name, options.context, options.file, build_arguments))
    elif options.image_command == "program":
        print(toolchain.program_image(options.name))
    else:
        images.load(cluster, options.names)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="say in one line why this machine can't run it; 3 then")
    commands.add_parser("prepare", help="install packages, build programs and base images")
    commands.add_parser("up", help="start the cluster and wait until it is Ready")
    commands.add_parser("down", help="stop it and remove all that it left")
    commands.add_parser("status", help="one screen on how it is; 1 when it is not well")
    execute = commands.add_parser("exec", help="run a command inside the cluster's network")
    execute.add_argument("program", nargs="+", metavar="CMD", help="write -- before it")
    image = commands.add_parser("image", help="build and load images")
    image_commands = image.add_subparsers(dest="image_command", required=True)
    build = image_commands.add_parser("build", help="build an image; prints its reference")
    build.add_argument("name")
    build.add_argument("--context", type=Path, required=True)
    build.add_argument("--file", type=Path, required=True)
    build.add_argument("--build-arg", action="append", default=[], type=_pair, metavar="K=V")
    program = image_commands.add_parser("program", help="an image of one program of go/")
    program.add_argument("name")
    load = image_commands.add_parser("load", help="load images into the cluster")
    load.add_argument("names", nargs="+", metavar="NAME", help="a name or a full reference")
    return parser


def _pair(text: str) -> str:
    if not text.partition("=")[0] or "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    return text
