"""All errors of the pipeline stand in one tree, and say why."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import chroma_sync
from chroma_sync import pipeline
from chroma_sync.api.exit_code import ExitCode
from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.children import NotRunning, OverLimit
from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
)
from chroma_sync.pipeline.embed.errors import TextTooLong
from chroma_sync.pipeline.errors import (
    DocumentError,
    Misconfigured,
    PipelineError,
    RateLimited,
    RevisionGone,
    StepError,
    Stopped,
    Temporary,
    Unusable,
)
from chroma_sync.pipeline.extract import NoText, NotExtracted
from chroma_sync.pipeline.index.calls import Refused

# See the module `errors`.
OUTSIDE = {Stopped, OverLimit}
PACKAGE = pipeline.__name__
BRANCHES = {PipelineError, StepError, DocumentError}
ERRORS: list[PipelineError] = [
    Misconfigured(Reason.INTERNAL_ERROR, "why"),
    Unusable(Reason.INTERNAL_ERROR, "why"),
    Temporary(Reason.INTERNAL_ERROR, "why"),
    RevisionGone(Reason.INTERNAL_ERROR, "why"),
    RateLimited("why", 1.0),
    NotRunning("why"),
    EmbeddingUnavailable("why"),
    EmbeddingMisconfigured("why", Reason.MODEL_NOT_SERVED),
    Refused("why", too_large=False),
    EmbeddingRejected({0: "why"}),
    TextTooLong("why", 0),
    NotExtracted(DocumentReason.MALFORMED, "why", is_final=True),
    NoText(DocumentReason.BINARY),
]


def subclasses(of: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


def exceptions() -> set[type[BaseException]]:
    """All that the pipeline defines."""
    for module in pkgutil.walk_packages(pipeline.__path__, f"{PACKAGE}."):
        if not module.name.endswith("._serve"):  # the program of a child
            importlib.import_module(module.name)
    ours = set(subclasses(BaseException))
    return {one for one in ours if one.__module__.startswith(f"{PACKAGE}.")}


def importers(name: str, package: str) -> set[str]:
    """The modules of chroma_sync, outside a package, that import a name from it."""
    root = Path(chroma_sync.__path__[0])
    found = set()
    for file in root.rglob("*.py"):
        module = ".".join((chroma_sync.__name__, *file.relative_to(root).with_suffix("").parts))
        if module.startswith(f"{package}."):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                found |= {module for alias in node.names if alias.name == name}
    return found


def test_each_error_is_in_the_tree_or_known_to_its_own_package_only() -> None:
    found = exceptions()
    assert found >= BRANCHES | OUTSIDE
    for one in found - OUTSIDE:
        if issubclass(one, PipelineError):
            continue
        package = one.__module__.rpartition(".")[0]
        assert package != PACKAGE, f"{one} belongs to no package that could keep it"
        assert importers(one.__name__, package) == set(), f"{one} leaves its package"
    assert not any(issubclass(one, PipelineError) for one in OUTSIDE)


def test_an_import_from_another_package_is_found() -> None:
    assert f"{PACKAGE}.chunk.parser" in importers("OverLimit", f"{PACKAGE}.children")


def test_all_of_the_tree_are_tried_here() -> None:
    made = {type(error) for error in ERRORS}
    assert {one for one in exceptions() if issubclass(one, PipelineError)} == made | BRANCHES


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_each_says_why(error: PipelineError) -> None:
    assert str(error)
    if isinstance(error, StepError):
        assert isinstance(error.reason, Reason)
        assert error.exit_code in set(ExitCode) - {ExitCode.DONE}
    else:
        assert isinstance(error, DocumentError)
        assert isinstance(error.reason, DocumentReason)
