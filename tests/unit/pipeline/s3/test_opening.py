"""How an object is read, and what is said of one that can't be."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.body import discard
from chroma_sync.pipeline.errors import Misconfigured, StepError, Stopped, Temporary
from chroma_sync.pipeline.fetch import Kept, Opened, Outcome, Ref, Skipped
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.fetch.s3 import connector as module
from chroma_sync.pipeline.queues import StopSignal
from fakes.proxy import Asked
from fakes.running import running
from fakes.s3_server import Answer, Front, owner, refusal
from unit.pipeline.s3.kit import bucket, listed

LONG = bytes(range(256)) * 2_000  # 512,000 bytes


def put(front: Front, key: str = "a.txt", data: bytes = b"text", **more: Any) -> None:
    owner(front.upstream).put_object(Bucket="papers", Key=key, Body=data, **more)


def opened(front: Front, tmp_path: Path, **more: Any) -> Outcome:
    """What becomes of the one object of the bucket."""
    connector = bucket(front.url, tmp_path, **more)
    (ref,) = listed(connector)
    assert ref.skip is None
    front.asked.clear()
    return connector.open(ref, None)


def on_get(answer: Answer) -> Any:
    """A script that gives this answer for an object's bytes."""
    return lambda asked: answer if asked.method == "GET" and "/papers/" in asked.path else None


def test_one_that_was_changed_since_it_was_listed(front: Front, tmp_path: Path) -> None:
    put(front)
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    put(front, data=b"another")
    outcome = connector.open(ref, None)
    (now,) = listed(connector)
    assert now.version != ref.version
    assert outcome == Opened(now, b"another")


def test_one_that_is_gone_since_it_was_listed(front: Front, tmp_path: Path) -> None:
    put(front)
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    owner(front.upstream).delete_object(Bucket="papers", Key="a.txt")
    assert connector.open(ref, None) == Skipped(DocumentReason.GONE)


def test_a_bucket_that_is_gone_takes_no_object_with_it(front: Front, tmp_path: Path) -> None:
    put(front)
    front.script = on_get(refusal(404, "NoSuchBucket"))
    with pytest.raises(Misconfigured) as caught:
        opened(front, tmp_path)
    assert caught.value.reason is Reason.BUCKET_NOT_FOUND


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {"Content-Type": "text/html"}, b"<html><h1>Not found</h1></html>"),
        Answer(403, {"Content-Type": "text/html"}, b"<html><h1>Blocked</h1></html>"),
        Answer(404, {}, b""),
        Answer(403, {}, b""),
        Answer(307, {"Location": "http://127.0.0.1:9/other/a.txt"}, b""),
    ],
)
def test_what_stands_on_the_way_says_nothing_of_an_object(
    front: Front, tmp_path: Path, answer: Answer
) -> None:
    put(front)
    front.script = on_get(answer)
    with pytest.raises(StepError) as caught:
        opened(front, tmp_path)
    assert caught.value.reason in (Reason.HOST_UNREACHABLE, Reason.WRONG_REGION)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_one_in_an_archive(front: Front, tmp_path: Path, storage_class: str) -> None:
    put(front, StorageClass=storage_class)
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    # What stands of it is of the same bytes, and stays.
    assert (ref.skip, ref.doubted) == (None, frozenset({DocumentReason.ARCHIVED}))
    assert connector.open(ref, None) == Skipped(DocumentReason.ARCHIVED)


def test_one_that_was_restored(front: Front, tmp_path: Path) -> None:
    put(front, StorageClass="GLACIER")
    owner(front.upstream).restore_object(Bucket="papers", Key="a.txt", RestoreRequest={"Days": 1})
    assert isinstance(opened(front, tmp_path), Opened)


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (
            refusal(403, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized"),
            DocumentReason.ACCESS_DENIED,
            "GetObject is denied (AccessDenied). It says: User: arn:aws:iam::1:user/x is not "
            "authorized. Allow the keys in Secret 'bucket-reader' s3:GetObject",
        ),
        (
            refusal(403, "AccessDenied", "not authorized to perform: kms:Decrypt on resource: k"),
            DocumentReason.KMS_DENIED,
            "Allow the keys in Secret 'bucket-reader' kms:Decrypt on that key",
        ),
        (
            refusal(400, "KMS.DisabledException", "k is disabled."),
            DocumentReason.KMS_DENIED,
            "It says: k is disabled. Allow",
        ),
        (
            refusal(400, "InvalidRequest", "The object was stored using Server Side Encryption."),
            DocumentReason.ACCESS_DENIED,
            "stored using Server Side Encryption",
        ),
    ],
)
def test_one_that_is_denied_where_others_are_not(
    front: Front, tmp_path: Path, answer: Answer, reason: DocumentReason, words: str
) -> None:
    put(front)
    front.script = on_get(answer)
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Kept)
    assert outcome.reason is reason
    assert words in outcome.message


def test_when_all_are_denied_none_is_to_blame(front: Front, tmp_path: Path) -> None:
    """And nobody waits for that to end."""
    for n in range(25):
        put(front, f"{n:02}.txt")
    slept: list[float] = []
    retries = HostRetries(outage_seconds=60, sleep=slept.append)
    connector = bucket(front.url, tmp_path, retries=retries)
    refs = listed(connector)
    front.script = on_get(refusal(403, "AccessDenied"))
    outcomes = [connector.open(ref, None) for ref in refs[:19]]
    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    with pytest.raises(Misconfigured, match="Allow the keys in Secret") as caught:
        connector.open(refs[19], None)
    assert caught.value.reason is Reason.PERMISSION_MISSING
    assert slept == []


def test_a_folder_that_is_denied_says_nothing_of_the_others(front: Front, tmp_path: Path) -> None:
    """Others are not opened, as in a run over a bucket where they are unchanged."""
    for n in range(25):
        put(front, f"private/{n:02}.txt")
        put(front, f"public/{n:02}.txt")
    connector = bucket(front.url, tmp_path)
    private = [ref for ref in listed(connector) if ref.key.startswith("private/")]
    denied = refusal(403, "AccessDenied")
    front.script = lambda asked: denied if "/papers/private/" in asked.path else None
    with ThreadPoolExecutor(connector.lanes) as lanes:
        outcomes = list(lanes.map(lambda ref: connector.open(ref, None), private))
    assert all(isinstance(outcome, Kept) for outcome in outcomes)


def test_after_one_was_read_each_that_is_denied_is_so_for_itself(
    front: Front, tmp_path: Path
) -> None:
    for n in range(25):
        put(front, f"{n:02}.txt")
    connector = bucket(front.url, tmp_path)
    first, *others = listed(connector)
    assert isinstance(connector.open(first, None), Opened)
    front.script = on_get(refusal(403, "AccessDenied"))
    assert all(isinstance(connector.open(ref, None), Kept) for ref in others)


def test_the_one_object_of_a_run_that_is_denied(front: Front, tmp_path: Path) -> None:
    put(front)
    front.script = on_get(refusal(403, "AccessDenied", "kms:Decrypt"))
    with pytest.raises(Misconfigured) as caught:
        opened(front, tmp_path, run={"objectKey": "a.txt"})
    assert caught.value.reason is Reason.KMS_DENIED


def test_one_that_is_larger_than_it_was_listed(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(front, data=b"text")
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    put(front, data=LONG)
    monkeypatch.setattr(module, "OBJECT_MAX", len(LONG) - 1)
    assert connector.open(ref, None) == Skipped(DocumentReason.TOO_LARGE)


def cut_after(front: Front, *bounds: int) -> list[Asked]:
    """Cut the answers with bytes after so many of them, one after the other."""
    left, reads = list(bounds), list[Asked]()

    def edit(asked: Asked, answer: Answer) -> Answer:
        if asked.method != "GET" or "/papers/" not in asked.path:
            return answer
        reads.append(asked)
        return replace(answer, cut=left.pop(0)) if left else answer

    front.edit = edit
    return reads


def test_a_connection_that_breaks_off_is_gone_on_with(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    reads = cut_after(front, 200_000, 100_000)
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Opened)
    assert outcome.body == LONG
    first, second, third = (asked.headers for asked in reads)
    assert "range" not in first
    etag = f'"{outcome.ref.version}"'
    assert (second["range"], second["if-match"]) == ("bytes=200000-", etag)
    assert (third["range"], third["if-match"]) == ("bytes=300000-", etag)


def test_one_that_is_changed_while_it_is_read(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    other = LONG[::-1]
    reads = cut_after(front, 200_000)
    edit = front.edit

    def changing(asked: Asked, answer: Answer) -> Answer:
        edited = edit(asked, answer)
        if edited.cut is not None:
            put(front, data=other)
        return edited

    front.edit = changing
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Opened)
    assert outcome.body == other
    assert ["range" in asked.headers for asked in reads] == [False, True, False]


def test_one_that_is_changed_on_a_server_that_knows_no_if_match(
    front: Front, tmp_path: Path
) -> None:
    """The rest of the new version does not go with the beginning of the former one."""
    put(front, data=LONG)
    other = LONG[::-1]
    reads = cut_after(front, 200_000)
    edit = front.edit

    def changing(asked: Asked, answer: Answer) -> Answer:
        if "if-match" in asked.headers:
            headers = {k: v for k, v in asked.headers.items() if k != "if-match"}
            answer = front.forwarded(replace(asked, headers=headers))
        edited = edit(asked, answer)
        if edited.cut is not None:
            put(front, data=other)
        return edited

    front.edit = changing
    outcome = opened(front, tmp_path, retries=HostRetries(outage_seconds=60, sleep=lambda _: None))
    assert isinstance(outcome, Opened)
    assert outcome.body == other
    assert outcome.ref.version == hashlib.md5(other).hexdigest()  # noqa: S324 - as S3 makes it
    assert ["range" in asked.headers for asked in reads] == [False, True, False]


def test_a_server_that_gives_less_than_it_was_asked_for(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    reads = cut_after(front, 200_000)

    def script(asked: Asked) -> Answer | None:
        if "range" not in asked.headers:
            return None
        begin = int(asked.headers["range"].strip("bytes=-"))
        part = {"range": f"bytes={begin}-{begin + 199_999}"}
        answer = front.forwarded(replace(asked, headers={**asked.headers, **part}))
        return front.edit(asked, answer)

    front.script = script
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Opened)
    assert outcome.body == LONG
    assert len(reads) == 3


@pytest.mark.parametrize("said", ["bytes 200000-511999/*", "all of it"])
def test_a_part_whose_place_is_not_told(front: Front, tmp_path: Path, said: str) -> None:
    put(front, data=LONG)
    cut_after(front, 200_000)
    edit = front.edit

    def unclear(asked: Asked, answer: Answer) -> Answer:
        edited = edit(asked, answer)
        headers = {k: v for k, v in edited.headers.items() if k.lower() != "content-range"}
        is_part = "range" in asked.headers
        return replace(edited, headers={**headers, "Content-Range": said}) if is_part else edited

    front.edit = unclear
    with pytest.raises(Temporary, match="does not say how large an object is"):
        opened(front, tmp_path)


def test_one_that_changes_all_the_time(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)

    def edit(asked: Asked, answer: Answer) -> Answer:
        if asked.method != "GET" or "/papers/" not in asked.path:
            return answer
        return (
            refusal(412, "PreconditionFailed")
            if "range" in asked.headers
            else (replace(answer, cut=200_000))
        )

    front.edit = edit
    with pytest.raises(Temporary, match="changes again and again"):
        opened(front, tmp_path)


def test_a_server_that_knows_no_ranges(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    reads = cut_after(front, 200_000)

    def script(asked: Asked) -> Answer | None:
        if "range" not in asked.headers:
            return None
        headers = {k: v for k, v in asked.headers.items() if k != "range"}
        return front.edit(asked, front.forwarded(replace(asked, headers=headers)))

    front.script = script
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Opened)
    assert outcome.body == LONG
    assert len(reads) == 2


def test_a_connection_that_brings_nothing_is_trouble(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    cut_after(front, *[1_000] * 100)
    with pytest.raises(Temporary, match="the connection broke off"):
        opened(front, tmp_path)


def test_trouble_is_waited_for_and_what_was_read_is_not_read_again(
    front: Front, tmp_path: Path
) -> None:
    put(front, data=LONG)
    reads = cut_after(front, 200_000, 10, 10)
    outcome = opened(front, tmp_path, retries=HostRetries(outage_seconds=60, sleep=lambda _: None))
    assert isinstance(outcome, Opened)
    assert outcome.body == LONG
    ranges = [asked.headers.get("range") for asked in reads]
    assert ranges == [None, *(f"bytes={n}-" for n in (200_000, 200_010, 200_020))]


def test_a_stop_ends_a_download(front: Front, tmp_path: Path) -> None:
    put(front, data=LONG)
    stop = StopSignal()
    connector = bucket(front.url, tmp_path, stop=stop)
    (ref,) = listed(connector)
    stop.stop()
    with pytest.raises(Stopped):
        connector.open(ref, None)


class Dripping(BaseHTTPRequestHandler):
    """Gives an object byte by byte."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "100000")
        self.end_headers()
        with suppress(OSError):
            for _ in range(200):
                self.wfile.write(b"x")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_stop_ends_a_download_that_drips(tmp_path: Path) -> None:
    stop = StopSignal()
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Dripping)) as server:
        connector = bucket(f"http://127.0.0.1:{server.server_address[1]}", tmp_path, stop=stop)
        begun = time.monotonic()
        threading.Timer(1, stop.stop).start()
        with pytest.raises(Stopped):
            connector.open(Ref("a.txt", "1", 100_000), None)
        assert time.monotonic() - begun < 10


LARGE = LONG * 5  # 2,560,000 bytes


def test_a_large_one_is_kept_in_a_file(front: Front, tmp_path: Path) -> None:
    put(front, data=LARGE)
    reads = cut_after(front, 2_000_000)
    outcome = opened(front, tmp_path)
    assert isinstance(outcome, Opened)
    assert isinstance(outcome.body, Path)
    assert list(tmp_path.iterdir()) == [outcome.body]
    assert outcome.body.read_bytes() == LARGE
    assert outcome.ref.size == len(LARGE)
    assert len(reads) == 2


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied", "InternalError"])
def test_nothing_stays_of_one_that_was_not_read(front: Front, tmp_path: Path, code: str) -> None:
    put(front, data=LARGE)
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    reads = cut_after(front, 2_000_000)
    front.script = lambda _: refusal(403, code) if reads else None
    try:
        assert not isinstance(connector.open(ref, None), Opened)
    except Temporary:
        assert code == "InternalError"
    assert list(tmp_path.iterdir()) == []


def test_few_large_ones_are_read_at_once(front: Front, tmp_path: Path) -> None:
    for n in range(4):
        put(front, f"{n}.bin", LARGE)
    lock, now, most = threading.Lock(), 0, 0

    def script(asked: Asked) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.1)
        with lock:
            now -= 1

    connector = bucket(front.url, tmp_path)
    refs = listed(connector)
    front.script = script
    with ThreadPoolExecutor(connector.lanes) as lanes:
        outcomes = list(lanes.map(lambda ref: connector.open(ref, None), refs))
    assert all(isinstance(outcome, Opened) for outcome in outcomes)
    assert len(list(tmp_path.iterdir())) == 4
    assert most == 2


def test_large_ones_are_not_read_while_others_wait_to_be_extracted(
    front: Front, tmp_path: Path
) -> None:
    for n in range(12):
        put(front, f"{n:02}.bin", LARGE)
    connector = bucket(front.url, tmp_path)
    refs, most = listed(connector), 0
    with ThreadPoolExecutor(connector.lanes) as lanes:
        opening = [lanes.submit(connector.open, ref, None) for ref in refs]
        for _ in refs:  # one is extracted after the other
            time.sleep(0.2)
            most = max(most, len(list(tmp_path.iterdir())))
            done = next(as_completed(opening, timeout=20))
            opening.remove(done)
            outcome = done.result()
            assert isinstance(outcome, Opened)
            discard(outcome.body)
    assert list(tmp_path.iterdir()) == []
    assert most <= 5, "the two that are read at once may begin at the same moment"
