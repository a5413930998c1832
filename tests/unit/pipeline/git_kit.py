"""A repository of a few given files on a real Git host, and a source that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.git.access import Public
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.connector import GitConnector
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.fetch.git.http import TlsSettings
from chroma_sync.pipeline.fetch.git.remote import Remote
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.queues import StopSignal
from fakes.git_host import serving
from fakes.trees import commit_of, tree_of


def source(
    url: str,
    scratch: Path,
    *,
    branch: str | None = None,
    sha: str | None = None,
    tag: str | None = None,
    globs: Globs | None = None,
    included: frozenset[DocumentReason] = frozenset(),
    stop: StopSignal | None = None,
    retries: HostRetries | None = None,
) -> GitConnector:
    """A source without a login."""
    return GitConnector(
        Remote(
            *(url, Public(), TlsSettings(StopSignal()), retries or HostRetries()),
            GitCommand(stop or StopSignal()),
        ),
        branch=branch,
        sha=sha,
        tag=tag,
        globs=globs or Globs([], []),
        included=included,
        max_file_size=1000,
        scratch=scratch,
    )


@contextmanager
def served(folder: Path, tree: Callable[[Path], str]) -> Iterator[tuple[str, str]]:
    """Serve a repository whose branch main has a tree that is written into it. Yields its URL and
    the commit."""
    root = folder / "root"
    shop = root / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    commit = commit_of(shop, tree(shop))
    with serving(root) as url:
        yield f"{url}/acme/shop", commit


def served_tree(
    folder: Path, files: Mapping[Any, bytes | str]
) -> AbstractContextManager[tuple[str, str]]:
    """Serve a repository of these files, with any names."""
    return served(folder, lambda shop: tree_of(shop, files))
