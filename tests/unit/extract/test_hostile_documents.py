"""What hostile documents cost: each comes to its verdict within its bounds, and the next document
is read as ever."""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.extract import Extractor, NoText, NotExtracted
from chroma_sync.pipeline.text import Text
from unit.extract.hostile_samples import BOMBS
from unit.extract.samples import GOOD, RTF, compound

MIB = 1024**2
# In a pod of 1 GiB a document may take a quarter.
MEMORY = 256 * MIB
# Far below what is allowed: no input here may come near it.
LIMITS = Limits(20, 120, MEMORY, file_bytes=64 * MIB, maps_files=True)
SECONDS = 60.0
SEED = 14
TRUNCATED = 14
CHANGED = 20
CHANGED_PICTURES = 3  # a program reads those that are whole enough, which takes its time
PICTURES = frozenset({"png", "jpg", "gif", "webp", "tiff"})

FAILED = {
    DocumentReason.MALFORMED,
    DocumentReason.EXTRACTED_TOO_LARGE,
    DocumentReason.ENCRYPTED,
    DocumentReason.TOO_MANY_PAGES,
    DocumentReason.EXTRACTION_TIMED_OUT,
    DocumentReason.EXTRACTION_OUT_OF_MEMORY,
}


def _largest_child() -> int:
    """The most bytes in memory of a process that this one has started, and that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


@pytest.fixture(scope="module")
def largest_before() -> int:
    return _largest_child()


@pytest.fixture(scope="module")
def extractor(largest_before: int) -> Iterator[Extractor]:
    with Extractor(LIMITS) as made:
        yield made


def verdict(extractor: Extractor, name: str, data: bytes) -> str:
    """The verdict on a document; after it another one is read."""
    start = time.monotonic()
    try:
        found = extractor.extract(name, data)
        said = "text" if found.data else "empty"
    except (NoText, NotExtracted) as error:
        said = error.reason.value
    assert time.monotonic() - start < SECONDS, name
    after = extractor.extract("after.html", b"<h1>Next</h1>")
    assert after.data == b"# Next\n", f"harmed by {name}"
    return said


@pytest.mark.parametrize("suffix", sorted(GOOD))
def test_truncated_and_changed(extractor: Extractor, suffix: str) -> None:
    good = GOOD[suffix]
    chance = random.Random(f"{SEED} {suffix}")
    inputs = [good[: len(good) * n // TRUNCATED] for n in range(1, TRUNCATED)]
    for _ in range(CHANGED if suffix not in PICTURES else CHANGED_PICTURES):
        changed = bytearray(good)
        for _ in range(chance.choice((1, 3, 20))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        inputs.append(bytes(changed))
    inputs += [chance.randbytes(size) for size in (1, 50, 5_000)]
    inputs.append(good[:40] + chance.randbytes(5_000))
    said = Counter(verdict(extractor, f"a.{suffix}", data) for data in inputs)
    allowed = {"text", "empty", *(r.value for r in FAILED), "Binary", "NotUtf8", "DrmProtected"}
    assert said.keys() <= allowed, "and nothing crashes what reads it"


@pytest.mark.parametrize("suffix", sorted(GOOD.keys() - PICTURES - {"csv"}))
def test_the_bytes_tell_and_not_the_suffix(extractor: Extractor, suffix: str) -> None:
    others = GOOD.keys() - {suffix} - ({"csv"} if suffix == "html" else set())
    for other in sorted(others):
        assert verdict(extractor, f"a.{other}", GOOD[suffix]) == "text", f"{suffix} as {other}"


def test_pictures_and_tables_under_another_name(extractor: Extractor) -> None:
    for suffix in sorted(PICTURES):
        assert verdict(extractor, "a.pdf", GOOD[suffix]) == "text", suffix
    for other in sorted(GOOD.keys() - {"csv", "html"}):
        assert verdict(extractor, f"a.{other}", GOOD["csv"]) == "Malformed"
    assert verdict(extractor, "a.xls", GOOD["csv"]) == "text"


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb(extractor: Extractor, name: str) -> None:
    make, expected = BOMBS[name]
    assert verdict(extractor, name, make()) in expected.split()


def test_old_office_that_is_none(extractor: Extractor) -> None:
    assert verdict(extractor, "a.doc", compound("WordDocument")) == "Malformed"
    assert verdict(extractor, "a.xls", compound("Workbook")) == "Malformed"
    assert verdict(extractor, "a.doc", compound("Something")) == "Malformed"
    assert verdict(extractor, "a.docx", compound("EncryptedPackage")) == "Encrypted"
    assert verdict(extractor, "a.msi", compound("Something")) == "Binary"
    assert verdict(extractor, "a.doc", RTF[:20]) in ("text", "empty", "Malformed")


def test_memory_stays_within_the_bound(largest_before: int, extractor: Extractor) -> None:
    """The largest of all processes that read a document here, and what they have started: where
    other tests of this process had a larger one, this one's was less."""
    assert isinstance(extractor.extract("a.docx", GOOD["docx"]), Text)
    process = extractor.documents.process
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(next(line for line in status.split("\n") if line.startswith("VmHWM")).split()[1])
    assert peak * 1024 < 1.5 * MEMORY
    extractor.close()
    assert _largest_child() <= max(largest_before, 2 * MEMORY)
