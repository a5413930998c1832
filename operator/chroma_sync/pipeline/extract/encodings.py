"""From a file's bytes to text, in whatever encoding it is, as long as that is certain."""

from __future__ import annotations

import codecs
import encodings.aliases
import re
from typing import Final

from chroma_sync.pipeline.words import words

_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SMALLEST_UTF16: Final = 16  # bytes: less proves nothing
_HIGH_NULS: Final = 0.6  # of the high bytes, in a text whose letters are mostly Latin
_LOW_NULS: Final = 0.05  # some other characters have such a byte too
_NO_TEXT: Final = re.compile(
    r"[^\t\n\f\r\x20-\x7e\x85\xa0-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]"
)

# What may stand in `.gitattributes`, by Python's names. All of them map bytes to characters, none
# makes more than three bytes of UTF-8 of one byte, and none runs code.
_SEVEN_BIT: Final = words(
    "hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr"
)
_CODECS: Final = _SEVEN_BIT | words(
    "utf_8 utf_16 utf_16_le utf_16_be utf_32 utf_32_le utf_32_be latin_1 "
    "big5 big5hkscs cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk "
    "johab shift_jis shift_jis_2004 shift_jisx0213 "
    "cp037 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 "
    "cp863 cp864 cp865 cp866 cp869 cp874 cp1006 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 "
    "iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 "
    "iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 "
    "hp_roman8 koi8_r koi8_t koi8_u kz1048 mac_cyrillic mac_greek mac_iceland mac_latin2 mac_roman "
    "mac_turkish ptcp154 tis_620"
)
_MORE_NAMES: Final = {"iso8859_1": "latin_1", "windows_31j": "cp932", "x_sjis": "shift_jis"}


def decoded(data: bytes, declared: str | None = None) -> str:
    """The text of some bytes, without a byte order mark. Raises `UnicodeError` when they are none.

    A mark decides. Else `declared`, the name that `.gitattributes` gives, is asked when the bytes
    are no UTF-8: then they were hardly written as anything else, whatever a pattern for all files
    says. UTF-16 without a mark is read when every sign is for it.
    """
    if data.startswith(_UTF16) and not data.startswith(_UTF32):
        return data.decode("utf-16")
    codec = codec_named(declared)
    if codec in _SEVEN_BIT and not data.startswith(codecs.BOM_UTF8):
        return data.decode(codec)
    if b"\0" not in data:
        try:
            return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeError:
            if codec is None:
                raise
    codec = codec or _unmarked_utf16(data)
    if codec is None:
        return data.decode("utf-8", "replace")  # its NULs tell that it is no text
    return data.decode(codec).removeprefix("\ufeff")


def codec_named(name: str | None) -> str | None:
    """Python's name of an encoding that is known here. `cp1252` is called `windows-1252` too, and
    `latin_1` has a dozen names."""
    if name is None:
        return None
    plain = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")
    for found in (plain, plain.replace("iso_8859", "iso8859"), plain.replace("_", "")):
        found = encodings.aliases.aliases.get(found, found)
        found = _MORE_NAMES.get(found, found)
        if found in _CODECS:
            return found
    return None


def _unmarked_utf16(data: bytes) -> str | None:
    """The codec of a text that can only be UTF-16: every second byte is mostly 0, the others hardly
    ever, and no character is in it that texts lack."""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    high, low, codec = (odd, even, "utf-16-le") if odd > even else (even, odd, "utf-16-be")
    units = len(data) // 2
    if len(data) < _SMALLEST_UTF16 or high < _HIGH_NULS * units or low > _LOW_NULS * units:
        return None
    try:
        return None if _NO_TEXT.search(data.decode(codec)) else codec
    except UnicodeError:
        return None
