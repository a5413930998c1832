"""Which files of a source are worth finding: written by people, and by those whose source it is.

The rules are learned from GitHub's linguist (github-linguist/linguist, `lib/linguist/generated.rb`
and `lib/linguist/vendor.yml`), which marks what is left out of diffs and of language statistics.
Its list of vendored files is for statistics, and so is generous: where a rule of it means "not
counted" rather than "not written here", it is left out, for nobody finds what is not indexed.
A file that a repository marks in its `.gitattributes` is never judged by these rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.worth.contents import content_verdicts
from chroma_sync.pipeline.fetch.worth.names import name_verdict

__all__ = ["content_verdicts", "judged"]

_NOTHING: frozenset[DocumentReason] = frozenset()


def judged(
    path: str,
    marks: Mapping[DocumentReason, bool | None],
    included: AbstractSet[DocumentReason],
) -> tuple[DocumentReason | None, frozenset[DocumentReason]]:
    """Why a file is skipped before it is read, and which verdicts don't count when it is.

    `marks` is what `.gitattributes` says of `GENERATED` and `VENDORED`: yes, no, or nothing, then
    the rules say it. `included` are those of the two that the Source wants to have.
    """
    despite: set[DocumentReason] = set()
    for verdict, mark in marks.items():
        if verdict in included or mark is False:
            despite.add(verdict)
        elif mark:
            return verdict, _NOTHING
    if DocumentReason.GENERATED in despite:
        despite.add(DocumentReason.ENCODED_DATA)
    named = name_verdict(path)
    return (None if named in despite else named), frozenset(despite)
