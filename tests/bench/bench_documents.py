"""How much of what real documents show is in their texts, and what it costs to read them in a
process of their own. `KEEP=1` writes down which facts hold."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from bench.documents_corpus import LOCATORS, Document, Judged, documents, judge, keep, why_not
from chroma_sync.pipeline.extract import Extractor, NoText, NotExtracted
from chroma_sync.pipeline.extract.documents import answer
from chroma_sync.pipeline.extract.extractor import question

AIMS: Final = {"all": 0.95, "all else": 0.99, "pictures": 0.90, "PDF": 0.87, "locators": 1.0}
ROUNDS: Final = 5
# What programs read is bound by them, and not by who starts them.
BY_PROGRAMS: Final = (".doc", ".ppt", ".rtf")


def main() -> None:
    """Print the tables."""
    if (missing := why_not()) is not None:
        sys.exit(missing)
    with Extractor() as extractor:
        results = [judge(document, extractor) for document in documents()]
    print_facts(results)
    print_speed([r.document for r in results if r.error is None])
    if os.environ.get("KEEP") == "1":
        keep(results)


def print_facts(results: Iterable[Judged]) -> None:
    """The shares of the facts that hold, and those that do not."""
    counts: dict[str, list[bool]] = defaultdict(list)
    lost: list[str] = []
    for one in results:
        for fact, holds in zip(one.document.facts, one.holds, strict=True):
            groups = ["all", one.document.group, one.document.suffix]
            for group in groups + ["locators"] * (fact[0] in LOCATORS):
                counts[group].append(holds)
            if not holds:
                lost.append(f"lost: {one.document.name} {fact} {one.error or ''}")
    print("| documents | facts | hold | share | aim |\n| --- | --- | --- | --- | --- |")
    for group in sorted(counts, key=lambda group: (group not in AIMS, group)):
        held, total = sum(counts[group]), len(counts[group])
        aim = f"{AIMS[group]:.2f}" if group in AIMS else ""
        print(f"| {group} | {total} | {held} | {held / total:.3f} | {aim} |")
    print("\n".join(lost))


def print_speed(read: list[Document]) -> None:
    """Documents a second, in a process of their own and in this one."""
    texts = [d for d in read if d.group == "all else" and d.suffix not in BY_PROGRAMS]
    given = [(d.name, d.data()) for d in texts]
    with Extractor() as extractor:
        extractor.extract("warm.html", b"<p>warm</p>")
        bounded = _rate(lambda name, data: extractor.extract(name, data), given)
    bare = _rate(lambda name, data: answer(question(Path(name).suffix), data), given)
    print(f"\n| {len(given)} documents that no program reads | documents/s |\n| --- | --- |")
    print(f"| the libraries, in this process | {bare:.0f} |")
    print(f"| in a bounded process | {bounded:.0f} |\n| ratio | {bounded / bare:.2f} |")


def _rate(read: Callable[[str, bytes], object], given: list[tuple[str, bytes]]) -> float:
    """The best of several rounds; the first one imports what is needed."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for name, data in given:
            try:
                read(name, data)
            except (NoText, NotExtracted):
                continue
        best = max(best, len(given) / (time.perf_counter() - start))
    return best
