"""From bytes to a text that is indexed, or to the reason why not."""

from __future__ import annotations

import time

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.reading import text_of
from chroma_sync.pipeline.text import Text
from fakes import web_project

NOTHING: frozenset[DocumentReason] = frozenset()


def read(
    data: bytes,
    *,
    key: str = "a.txt",
    encoding: str | None = None,
    despite: frozenset[DocumentReason] = NOTHING,
) -> bytes | DocumentReason:
    entry = Ref(key, "v", len(data), despite=despite, encoding=encoding)
    text = text_of(entry, data, Extractor())
    return text.data if isinstance(text, Text) else text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", DocumentReason.EMPTY),
        (b"text\r\n", b"text\r\n"),
        ("ü".encode(), "ü".encode()),
        ("ü\n".encode("utf-8-sig"), "ü\n".encode()),
        (b"\xef\xbb\xbf", DocumentReason.EMPTY),
        (b"\xff\xfe" + "ü😀\r\n".encode("utf-16-le"), "ü😀\r\n".encode()),
        (b"\xfe\xff" + "ü😀\r\n".encode("utf-16-be"), "ü😀\r\n".encode()),
        (b"\xff\xfe", DocumentReason.EMPTY),
        (b"\xff\xfea", DocumentReason.NOT_UTF8),
        (b"\xff\xfe\x00\xd8", DocumentReason.NOT_UTF8),
        (b"\xff\xfea\0\0\0", DocumentReason.BINARY),
        ("ü".encode("utf-32"), DocumentReason.BINARY),
        ("ü".encode("latin-1"), DocumentReason.NOT_UTF8),
        (b"a\0b", DocumentReason.BINARY),
        (b"\xed\xa0\x80 a lone surrogate", DocumentReason.NOT_UTF8),
    ],
)
def test_text_of(data: bytes, text: bytes | DocumentReason) -> None:
    assert read(data) == text


C = "// Größe prüfen: liefert die Länge der Straße, 😀\nint laenge(int a) { return a * 3; }\n"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_when_it_is_sure(codec: str) -> None:
    assert read(C.encode(codec)) == C.encode()


@pytest.mark.parametrize(
    "data",
    [
        C.encode("utf-16-le") + b"\0",  # half a character
        C.encode("utf-16-le") + b"\0\0",
        "int a".encode("utf-16-le"),  # too short to be sure
        "読み込む関数 電車の時刻表\n".encode("utf-16-le"),  # few of the bytes are 0
        "".join(map(chr, range(1, 128))).encode("utf-16-le"),  # numbers of 16 bits
        b"".join(n.to_bytes(2, "little") for n in range(32, 240)),
        C.encode("utf-16-le") + "\ue000".encode("utf-16-le"),  # a character of private use
        C.encode("utf-16-le") + b"\x00\xd8",  # half of a pair
        C.encode("utf-32-le"),
    ],
)
def test_what_may_be_no_utf_16_is_binary(data: bytes) -> None:
    assert read(data) is DocumentReason.BINARY


JAPANESE = "// 電車の時刻表を読み込む関数\nint loadTimetable(int a) { return a; }\n"
GERMAN = "// Größe prüfen\nint laenge;\n"


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("Shift_JIS", "shift_jis", JAPANESE),
        ("windows-31J", "cp932", JAPANESE),
        ("EUC-JP", "euc_jp", JAPANESE),
        ("ISO-2022-JP", "iso2022_jp", JAPANESE),
        ("GBK", "gbk", "// 读取配置文件并校验密码\n"),
        ("latin1", "latin-1", GERMAN),
        ("ISO-8859-1", "latin-1", GERMAN),
        ("iso8859-15", "iso8859-15", GERMAN + "// €\n"),
        ("windows-1252", "cp1252", GERMAN + "// „€“\n"),
        ("CP1251", "cp1251", "// длина улицы\n"),
        ("KOI8-R", "koi8-r", "// длина улицы\n"),
        ("UTF-16LE", "utf-16-le", JAPANESE),
        ("UTF-16BE", "utf-16-be", "a"),
        ("UTF-16", "utf-16", JAPANESE),
        ("UTF-32", "utf-32", JAPANESE),
        ("UTF-8", "utf-8", JAPANESE),
    ],
)
def test_the_encoding_that_is_declared(name: str, codec: str, text: str) -> None:
    assert read(text.encode(codec), encoding=name) == text.encode()


def test_a_file_that_is_utf_8_all_the_same() -> None:
    """As with a pattern for all files, or `working-tree-encoding`, where git keeps UTF-8."""
    assert read(JAPANESE.encode(), encoding="latin1") == JAPANESE.encode()
    assert read(JAPANESE.encode("utf-8-sig"), encoding="ISO-2022-JP") == JAPANESE.encode()
    marked = b"\xff\xfe" + GERMAN.encode("utf-16-le")
    assert read(marked, encoding="UTF-8") == GERMAN.encode()


@pytest.mark.parametrize(
    "name", ["klingon", "rot13", "base64", "zlib", "idna", "unicode_escape", "utf-7", "mbcs", ""]
)
def test_what_is_no_encoding_of_texts_is_as_if_nothing_was_declared(name: str) -> None:
    assert read(GERMAN.encode("latin-1"), encoding=name) is DocumentReason.NOT_UTF8
    assert read(GERMAN.encode(), encoding=name) == GERMAN.encode()


def test_an_encoding_that_does_not_fit() -> None:
    assert read(b"\x81\xff\xff", encoding="Shift_JIS") is DocumentReason.NOT_UTF8
    assert read(b"\x89PNG\0\xff", encoding="latin1") is DocumentReason.BINARY


OID = b"oid sha256:" + b"4d7a2146" * 8
LFS, ANNEX = DocumentReason.LFS_POINTER, DocumentReason.ANNEX_POINTER
SPEC = b"version https://git-lfs.github.com/spec/v1"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (SPEC + b"\n" + OID + b"\nsize 12345\n", LFS),
        (SPEC + b"\n" + OID + b"\nsize 12345", LFS),
        (SPEC + b"\r\n" + OID + b"\r\nsize 0\r\n", LFS),
        (b"version https://hawser.github.com/spec/v1\n" + OID + b"\nsize 1\n", LFS),
        (b"version http://git-media.io/v/2\n" + OID + b"\nsize 1\n", LFS),
        (SPEC + b"\next-0-foo sha256:" + b"0" * 64 + b"\n" + OID + b"\nsize 1\n", LFS),
        (b"/annex/objects/SHA256E-s31390--f50d7ac4c6b9.mp3\n", ANNEX),
        (b"/annex/objects/WORM-s3-m1289672605--file name\n", ANNEX),
        (b"/annex/objects/MD5--abc", ANNEX),
        (b"/annex/objects/MD5E-s1--abc.bin\n/annex/note\n", ANNEX),
    ],
)
def test_pointers(data: bytes, verdict: DocumentReason) -> None:
    assert read(data) is verdict
    everything = frozenset({DocumentReason.GENERATED, DocumentReason.VENDORED})
    assert read(data, despite=everything) is verdict


@pytest.mark.parametrize(
    "text",
    [
        SPEC + b"\n\nThat is how a pointer begins. The next line is its oid.\n",
        SPEC + b"\n" + OID + b"\nsize 1\n\nThis is what a pointer looks like.\n",
        b"A pointer:\n\n" + SPEC + b"\n" + OID + b"\nsize 1\n",
        SPEC + b"\noid sha256:0\nsize 1\n",
        SPEC + b"\n" + OID + b"\nsize many\n",
        SPEC + b"\n" + OID + b"\n",
        SPEC.replace(b"v1", b"v9") + b"\n" + OID + b"\nsize 1\n",
        (b"/annex/objects/MD5--abc\n" + b"/annex/x\n" * 4000),
        b"/annex/objects/ is where git-annex keeps files.\n",
        b"/annex/objects/MD5--abc\nis a key.\n",
        b"/annex/objects/a/b\n",
    ],
)
def test_pages_about_pointers_are_texts(text: bytes) -> None:
    assert read(text, key="pointers.md") == text


def test_a_hostile_pointer_costs_nothing() -> None:
    begun = time.process_time()
    for data in (
        b"/annex/objects/A" + b"-s1" * 10_000,
        b"/annex/objects/A--a" + b"\n/annex/" * 4000,
    ):
        read(data)
    read((SPEC + b"\n" + b"ext-0-a sha256:" * 50)[:1023])
    assert time.process_time() - begun < 2


def test_who_wants_it_gets_what_a_tool_made() -> None:
    files = web_project.files()
    for key, reason in {
        "public/vendor.js": DocumentReason.GENERATED,
        "fixtures/picture.txt": DocumentReason.ENCODED_DATA,
    }.items():
        data = files[key].data
        assert read(data, key=key) is reason
        assert read(data, key=key, despite=frozenset({DocumentReason.VENDORED})) is reason
        assert read(data, key=key, despite=frozenset({reason})) == data
    copied = b"/*! jQuery JavaScript Library v3.7.1 */\n" + files["public/vendor.js"].data
    vendored = frozenset({DocumentReason.VENDORED})
    assert read(copied, key="jquery.js") is DocumentReason.VENDORED
    assert read(copied, key="jquery.js", despite=vendored) is DocumentReason.GENERATED
