"""`chroma-sync-worker STEP`: one step of a run, in a pod. People use `chroma-sync` instead."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from chroma_sync.api.configuration import (
    Configuration,
    NewerConfigurationError,
    read,
    unknown_features,
)
from chroma_sync.api.contract import (
    CONFIGURATION,
    INDEX_VARIABLE,
    PROGRESS_PORT,
    SCRATCH,
    TERMINATION_LOG,
    ExitCode,
    Result,
    SecretKey,
    SecretUse,
    Step,
    configuration_file,
    encode_result,
    secret_file,
)
from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import json_line
from chroma_sync.cli.outcome import STOPPED_EXIT_CODE, UNKNOWN_EXIT_CODE, as_step_error, fault
from chroma_sync.cli.serve import progress_server
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.assembly import RetryPolicy, Surroundings, opened_tools
from chroma_sync.pipeline.embed import TeiModel
from chroma_sync.pipeline.errors import RateLimited, Stopped, Temporary
from chroma_sync.pipeline.fetch.host_retries import RATE_LIMIT_SECONDS
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.session import Token
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import token
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox

_LOG_SECONDS = 10.0
# A check answers soon or is repeated by the operator; a run bridges a restart of a server itself.
_CHECK_RETRY_SECONDS = 5.0
_RUN_RETRY_SECONDS = 600.0
_REFUSED_ADVICE = (
    "Check the token in the Secret that spec.chroma.tokenSecretRef of the Source names, or, where "
    "the Source has no spec.chroma, in the one that chroma.tokenSecret of the chart names."
)


def main(argv: list[str] | None = None) -> int:
    """Run one step. Returns the exit code; the result is in the termination message."""
    parser = argparse.ArgumentParser(prog="chroma-sync-worker", description=__doc__)
    parser.add_argument("step", choices=[s.value for s in Step])
    step = Step(parser.parse_args(argv).step)
    progress, stop = Progress(_print_line), StopSignal()
    signal.signal(signal.SIGTERM, lambda *_: stop.stop())
    signal.signal(signal.SIGINT, lambda *_: stop.stop())
    try:
        with progress_server(PROGRESS_PORT, progress.result), _logged(step, progress):
            code, result = _attempt(step, os.environ, progress, stop)
    except OSError as error:  # the port is taken
        code, result = _broken_off(error, progress)
    _log(step, "ended", result, code)
    try:
        Path(TERMINATION_LOG).write_bytes(encode_result(result))
    except OSError as error:  # not in a pod
        said = {"step": step.value, "event": "not reported", "message": str(error)}
        _print_line(json_line(said))
    return code


def _attempt(
    step: Step, environment: Mapping[str, str], progress: Progress, stop: StopSignal
) -> tuple[int, Result]:
    """Do the step. Returns its exit code and its result."""
    try:
        with _opened_tools(step, progress, stop) as tools:
            _do(step, environment, tools)
        return ExitCode.DONE, progress.result()
    except Stopped:
        return STOPPED_EXIT_CODE, progress.result(message="The pod was asked to stop.")
    except SystemExit:
        raise
    except BaseException as error:  # a library in Rust panics with one that is no Exception
        return _broken_off(error, progress)


def _broken_off(error: BaseException, progress: Progress) -> tuple[int, Result]:
    known = as_step_error(error)
    if known is None:
        message = f"The worker broke off by a fault of the program: {fault(error)}."
        return UNKNOWN_EXIT_CODE, progress.result(Reason.INTERNAL_ERROR.value, message)
    result = progress.result(known.reason.value, str(known))
    if isinstance(known, RateLimited):
        result.retry_after_seconds = math.ceil(known.seconds)
    return known.exit_code, result


def _do(step: Step, environment: Mapping[str, str], tools: Toolbox) -> None:
    shard = Shard(int(environment.get(INDEX_VARIABLE, "0")), tools.configuration.shards)
    actions: dict[Step, Callable[[Toolbox], None]] = {
        Step.CHECK: steps.check,
        Step.RUN: steps.run,
        Step.PLAN: steps.plan,
        Step.WORK: partial(steps.work, shard=shard),
        Step.FINISH: steps.finish,
    }
    actions[step](tools)


def _opened_tools(
    step: Step, progress: Progress, stop: StopSignal
) -> AbstractContextManager[Toolbox]:
    configuration = _configuration(Path(CONFIGURATION))
    surroundings = _surroundings(configuration, is_check=step is Step.CHECK)
    return opened_tools(configuration, surroundings, Path(SCRATCH), progress, stop)


def _surroundings(configuration: Configuration, *, is_check: bool) -> Surroundings:
    """A pod's: servers that the configuration names, and Secrets that are mounted."""
    chroma, embedding = configuration.chroma, configuration.embedding
    secrets = MountedSecrets()

    def open_model(retry: RetryPolicy) -> TeiModel:
        name, key = embedding.token_secret, SecretKey.INSTALLATION_TOKEN
        return TeiModel(
            embedding.url,
            model=embedding.model,
            token=lambda: token(secrets, SecretUse.TEI, name, key),
            retry_budget_seconds=retry.seconds,
            sleep=retry.sleep,
            on_wait=retry.on_wait,
        )

    def open_database(retry: RetryPolicy) -> Database:
        name, key = chroma.token_secret, chroma.token_key
        return Database.connect(
            *(chroma.url, chroma.tenant, configuration.database),
            Token(lambda: token(secrets, SecretUse.CHROMA, name, key), _REFUSED_ADVICE),
            retry_seconds=retry.seconds,
            sleep=retry.sleep,
            on_wait=retry.on_wait,
        )

    return Surroundings(
        open_model,
        open_database,
        secrets,
        outage_seconds=_CHECK_RETRY_SECONDS if is_check else _RUN_RETRY_SECONDS,
        rate_limit_seconds=0.0 if is_check else RATE_LIMIT_SECONDS,
    )


def _configuration(folder: Path) -> Configuration:
    """What the operator asks for. Whoever reads it again may be a newer worker: so what this one
    does not understand is no end."""
    try:
        configuration = read(json.loads(_given(folder)))
        unknown = unknown_features(configuration)
        why = f"it requires what is not known here ({unknown})" if unknown else ""
    except (NewerConfigurationError, ValueError) as error:
        why = str(error)
    if why:
        message = (
            f"This worker's image does not understand its configuration: {why}. Its image must be "
            "of the operator's release: look at image.worker in the chart's values."
        )
        raise Temporary(Reason.NEWER_RELEASE, message)
    return configuration


def _given(folder: Path) -> bytes:
    """The configuration as the operator wrote it: nothing that others put into its place."""
    for file in folder.glob("*.json"):
        given = file.read_bytes()
        if file.name == configuration_file(given):
            return given
    message = (
        "The ConfigMap of this pod's Job does not hold what the operator wrote into it. Delete the "
        "Job and its ConfigMap, whose name begins with the Job's: both are made again."
    )
    raise Temporary(Reason.POD_FAILED, message)


class MountedSecrets:
    """The Secrets of a pod, as the operator has mounted them."""

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        try:
            return Path(secret_file(use, key)).read_bytes()
        except OSError:  # not there, or not to be read by this user
            return None

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        # A mount does not tell which.
        return (
            f"There is no Secret {name!r}, or it has no key {key.value!r}. It must stand in the "
            "namespace of the Source."
        )


@contextmanager
def _logged(step: Step, progress: Progress) -> Iterator[None]:
    """Write the counts to the log every few seconds."""
    done = threading.Event()

    def loop() -> None:
        while not done.wait(_LOG_SECONDS):
            _log(step, "goes on", progress.result())

    _log(step, "began", Result())
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _log(step: Step, what: str, result: Result, code: int | None = None) -> None:
    line: dict[str, object] = {"step": step.value, "event": what}
    if code is not None:
        line["exitCode"] = int(code)
    line |= result.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    _print_line(json_line(line))


def _print_line(line: str) -> None:
    # In one piece, as several threads log.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
