"""What a bucket lists, and that a list which is not whole is none."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.fetch import OneKey, Prefix, Ref
from fakes.proxy import Asked
from fakes.s3_server import Answer, Front, owner
from unit.pipeline.s3.kit import bucket, listed, read

ODD = ["a b+c.txt", "a%2Fb.txt", "ä/ü.txt", "a\x01b.txt", "a&<b>.txt", "a//b.txt", "a\\b.txt"]


def put(front: Front, **objects: bytes) -> None:
    for key, data in objects.items():
        owner(front.upstream).put_object(Bucket="papers", Key=key, Body=data)


def test_all_objects_in_the_order_of_their_keys(front: Front, tmp_path: Path) -> None:
    texts = {key: f"text of {key!r}".encode() for key in [*ODD, "b.txt", "B.txt"]}
    put(front, **texts)
    connector = bucket(front.url, tmp_path)
    found = listed(connector)
    assert [ref.key for ref in found] == sorted(texts, key=str.encode)
    assert read(connector) == texts
    assert connector.scope() == Prefix("")
    assert all(path.startswith("GET /papers") for path in front.calls())


def test_a_version_is_the_etag_in_the_listing_alone_and_when_opened(
    front: Front, tmp_path: Path
) -> None:
    put(front, **{"a.txt": b"text"})
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    (one,) = listed(bucket(front.url, tmp_path, run={"objectKey": "a.txt"}))
    assert ref == one == Ref("a.txt", "1cb251ec0d568de6a929b520c4aed8d1", 4)
    opened: Any = connector.open(ref, None)
    assert opened.ref == ref


def test_the_list_has_several_pages(front: Front, tmp_path: Path) -> None:
    keys = [f"{n:04}.txt" for n in range(25)]
    put(front, **dict.fromkeys(keys, b"text"))
    front.script = lambda asked: front.forwarded(
        replace(asked, path=asked.path.replace("max-keys=1000", "max-keys=10"))
    )
    assert [ref.key for ref in listed(bucket(front.url, tmp_path))] == keys
    assert len(front.asked) == 3


def test_only_what_begins_with_the_prefix(front: Front, tmp_path: Path) -> None:
    put(front, **{"a/1.txt": b"1", "ab.txt": b"2", "b/1.txt": b"3"})
    connector = bucket(front.url, tmp_path, pathPrefix="a/")
    assert [ref.key for ref in listed(connector)] == ["a/1.txt"]
    assert connector.scope() == Prefix("a/")
    assert connector.notes() == []


def test_a_server_that_lists_more_than_it_was_asked_for(front: Front, tmp_path: Path) -> None:
    put(front, **{"a/1.txt": b"1", "b/1.txt": b"3"})
    front.script = lambda asked: front.forwarded(
        replace(asked, path=asked.path.replace("prefix=a%2F", "prefix="))
    )
    assert [ref.key for ref in listed(bucket(front.url, tmp_path, pathPrefix="a/"))] == ["a/1.txt"]


def test_an_empty_list_says_so(front: Front, tmp_path: Path) -> None:
    connector = bucket(front.url, tmp_path, pathPrefix="none/")
    assert listed(connector) == []
    (note,) = connector.notes()
    assert "no object whose key begins with 'none/': check spec.s3.pathPrefix" in note


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("folder/", b"", DocumentReason.EMPTY),
        ("empty.txt", b"", DocumentReason.EMPTY),
        ("a/../b.txt", b"text", DocumentReason.INVALID_NAME),
        ("./b.txt", b"text", DocumentReason.INVALID_NAME),
        ("folder/", b"text", None),
        ("..a/b..txt", b"text", None),
    ],
)
def test_what_is_not_opened(
    front: Front, tmp_path: Path, key: str, data: bytes, reason: DocumentReason | None
) -> None:
    put(front, **{key: data})
    (ref,) = listed(bucket(front.url, tmp_path))
    assert (ref.key, ref.skip) == (key, reason)


def test_what_is_too_large_is_not_opened(front: Front, tmp_path: Path) -> None:
    put(front, **{"a.txt": b"text"})
    front.edit = lambda _, answer: replace(
        answer, body=answer.body.replace(b"<Size>4</Size>", b"<Size>209715201</Size>")
    )
    (ref,) = listed(bucket(front.url, tmp_path))
    assert ref.skip is DocumentReason.TOO_LARGE


def test_one_object(front: Front, tmp_path: Path) -> None:
    put(front, **{"a.txt": b"text", "a.txt.bak": b"other"})
    connector = bucket(front.url, tmp_path, run={"objectKey": "a.txt"})
    assert read(connector) == {"a.txt": b"text"}
    assert connector.scope() == OneKey("a.txt")
    assert front.calls() == ["HEAD /papers/a.txt", "GET /papers/a.txt"]


def test_an_id_and_metadata_of_the_runs_own(front: Front, tmp_path: Path) -> None:
    put(front, **{"a.txt": b"text"})
    metadata = {"team": "people", "tags": ["a", "b"]}
    one = {"objectKey": "a.txt", "customId": "leave", "metadata": metadata}
    (ref,) = listed(bucket(front.url, tmp_path, run=one))
    assert (ref.own_id, ref.metadata) == ("leave", metadata)
    (ref,) = listed(bucket(front.url, tmp_path, run={"all": True, "metadata": metadata}))
    assert (ref.own_id, ref.metadata) == (None, metadata)


def test_one_object_that_is_not_there(front: Front, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no object 'b\.txt'.*spec\.s3\.objectKey") as caught:
        listed(bucket(front.url, tmp_path, run={"objectKey": "b.txt"}))
    assert caught.value.reason is Reason.OBJECT_NOT_FOUND


def test_one_object_outside_of_the_prefix(front: Front, tmp_path: Path) -> None:
    put(front, **{"secret.txt": b"text"})
    with pytest.raises(Misconfigured, match=r"spec\.s3\.objectKey: 'secret\.txt' does not begin"):
        bucket(front.url, tmp_path, run={"objectKey": "secret.txt"}, pathPrefix="public/")
    # An encoded one is an object of that very name.
    hidden = "public/%2e%2e%2fsecret.txt"
    with pytest.raises(Misconfigured) as caught:
        listed(bucket(front.url, tmp_path, run={"objectKey": hidden}, pathPrefix="public/"))
    assert caught.value.reason is Reason.OBJECT_NOT_FOUND
    assert {a.path for a in front.asked} == {"/papers/public/%252e%252e%252fsecret.txt"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"<IsTruncated>false", b"<IsTruncated>true", "the listing of the bucket broke off"),
        (b"<Name>papers</Name>", b"", "not with a listing of the bucket"),
        (b"<IsTruncated>false</IsTruncated>", b"", "not with a listing of the bucket"),
        (b"</ListBucketResult>", b"", "HTTP status 500"),
        (b"<ETag>", b"<Tag>", "HTTP status 500"),
    ],
)
def test_what_is_no_whole_list(
    front: Front, tmp_path: Path, old: bytes, new: bytes, words: str
) -> None:
    put(front, **{"a.txt": b"text"})

    def edit(_: Asked, answer: Answer) -> Answer:
        assert old in answer.body
        return replace(answer, body=answer.body.replace(old, new))

    front.edit = edit
    with pytest.raises(Temporary, match=words):
        listed(bucket(front.url, tmp_path))


def test_a_list_that_goes_round(front: Front, tmp_path: Path) -> None:
    """Each page names another one, and each is the first one."""
    put(front, **{"a.txt": b"text"})
    tokens = itertools.count()

    def edit(_: Asked, answer: Answer) -> Answer:
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{next(tokens)}"
        more += "</NextContinuationToken>"
        body = answer.body.replace(b"<IsTruncated>false</IsTruncated>", more.encode())
        return replace(answer, body=body)

    def first(asked: Asked) -> Answer:
        path = re.sub("continuation-token=[^&]*&?", "", asked.path)
        return edit(asked, front.forwarded(Asked(asked.method, path, {}, b"")))

    front.script = first
    with pytest.raises(Temporary, match="comes to no end"):
        listed(bucket(front.url, tmp_path))


def test_a_page_for_people_is_no_empty_bucket(front: Front, tmp_path: Path) -> None:
    front.script = lambda _: Answer(200, {"Content-Type": "text/html"}, b"<html><p>Hi</p></html>")
    with pytest.raises(Temporary, match="not with a listing of the bucket"):
        listed(bucket(front.url, tmp_path))


def test_an_object_without_an_etag(front: Front, tmp_path: Path) -> None:
    put(front, **{"a.txt": b"text"})
    front.edit = lambda _, answer: replace(
        answer, body=answer.body.replace(b"<ETag>", b"<T>").replace(b"</ETag>", b"</T>")
    )
    with pytest.raises(Temporary, match="without its ETag"):
        listed(bucket(front.url, tmp_path))
