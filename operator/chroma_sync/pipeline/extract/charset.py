"""Which encoding a document is in that says nothing certain of it."""

from __future__ import annotations

import re
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.encodings import codec_named, decoded
from chroma_sync.pipeline.extract.errors import Refused

_LOOKED_AT: Final = 64 * 1024  # bytes
# Letters and signs that texts of Western Europe have outside of ASCII, in cp1252.
_WESTERN: Final = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿ€£§°©®«»–—‘’“”„…•·¿¡´º²³½\xa0šžŠŽœŒ"
)
# By https://encoding.spec.whatwg.org.
_WIDER: Final = {
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_WESTERN_SHARE: Final = 0.95
_BROKEN_MAX: Final = 0.02  # of the characters, in a text that was cut or patched


def text_of(data: bytes, declared: str | None) -> str:
    """The text of some bytes: by their mark, as UTF-8, as `declared`, or as it is most likely.
    Raises `Refused`."""
    declared = _as_browsers_do(declared)
    try:
        text = decoded(data, declared)
        if "\0" not in text:
            return text
    except UnicodeError:
        if (codec := codec_named(declared)) is not None:
            text = data.decode(codec, "replace")
            if text.count("\ufffd") <= _BROKEN_MAX * len(text):
                return text
    if b"\0" in data:
        raise Refused(DocumentReason.BINARY, "It is no text.")
    return _detected(data)


def _as_browsers_do(declared: str | None) -> str | None:
    """The encoding that is meant by a name: most often one with more characters."""
    codec = codec_named(declared)
    return declared if codec is None else _WIDER.get(codec, codec)


def _detected(data: bytes) -> str:
    western = data.decode("cp1252", "replace")
    high = re.sub(r"[\x00-\x7f]+", "", western[:_LOOKED_AT])
    if sum(c in _WESTERN for c in high) >= _WESTERN_SHARE * len(high) and _is_among_letters(
        western
    ):
        return western
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_LOOKED_AT]).best()
    codec = codec_named(best.encoding) if best is not None else None
    if codec is not None:
        text = data.decode(codec, "replace")
        if text.count("\ufffd") <= _BROKEN_MAX * len(text):
            return text
    raise Refused(DocumentReason.NOT_UTF8, "Its encoding is unknown.")


def _is_among_letters(text: str) -> bool:
    """Whether letters of ASCII stand beside most of the others, as in words of Latin script; texts
    in other scripts have runs of them."""
    runs = re.findall(r"[\x80-\uffff]+", text[:_LOOKED_AT])
    return sum(len(run) <= 2 for run in runs) >= 0.9 * len(runs)
