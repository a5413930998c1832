"""Documents that are zip archives: their members, read within bounds."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import unquote

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.xml import Element, children, parse

MEMBERS_MAX: Final = 20_000
MEMBER_MAX: Final = 64 * 1024**2  # bytes of one member
TOTAL_MAX: Final = 256 * 1024**2  # bytes of all members that are read
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True)
class Related:
    """What a part of an Office document refers to. `target` is the name of a member, or the
    address of what lies outside."""

    kind: str
    target: str
    is_outside: bool


class Package:
    """An archive and its members, by names whose case and slashes do not matter."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises `Refused`."""
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise Refused(DocumentReason.MALFORMED, "It is a broken zip archive.") from None
        if len(infos) > MEMBERS_MAX:
            message = f"It has {len(infos)} members; {MEMBERS_MAX} are read."
            raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message)
        self._members = {_plain(info.filename): info for info in infos if not info.is_dir()}
        self._left = TOTAL_MAX

    def names(self) -> list[str]:
        """The names of all members, in lower case."""
        return list(self._members)

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return _plain(name) in self._members

    def unpacked_size(self) -> int:
        """What all members say they hold, in bytes."""
        return sum(info.file_size for info in self._members.values())

    def read(self, name: str) -> bytes | None:
        """A member; None where there is none. Raises `Refused`."""
        info = self._members.get(_plain(name))
        if info is None:
            return None
        if info.flag_bits & _ENCRYPTED:
            raise Refused(DocumentReason.ENCRYPTED, "Its archive is encrypted with a password.")
        most = min(MEMBER_MAX, self._left)
        if info.file_size > most:
            message = f"What it unpacks to is over {most // 1024**2} MiB."
            raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message)
        try:
            with self._zip.open(info) as member:
                data = member.read(most)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError):
            raise Refused(DocumentReason.MALFORMED, "Its zip archive is damaged.") from None
        self._left -= len(data)
        return data

    def xml(self, name: str) -> Element | None:
        """A member that is XML; None where there is none. Raises `Refused`."""
        data = self.read(name)
        return None if data is None else parse(data, f"Its part {name[:60]}")

    def optional_xml(self, name: str) -> Element | None:
        """The same, of a member that the document can be read without: None where it is broken."""
        try:
            return self.xml(name)
        except Refused as error:
            if error.reason is DocumentReason.MALFORMED:
                return None
            raise

    def relations(self, part: str) -> dict[str, Related]:
        """What a part refers to, by its ids."""
        folder, file = posixpath.split(part)
        root = self.optional_xml(posixpath.join(folder, "_rels", f"{file}.rels"))
        found: dict[str, Related] = {}
        for one in children(root, "Relationship"):
            id_, kind, target = one.get("Id", ""), one.get("Type", ""), one.get("Target", "")
            is_outside = one.get("TargetMode") == "External"
            found[id_] = Related(
                kind.rpartition("/")[2],
                target if is_outside else _resolved(folder, target),
                is_outside,
            )
        return found


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _resolved(folder: str, target: str) -> str:
    path = unquote(target.partition("#")[0])
    if path.startswith("/"):
        return posixpath.normpath(path).lstrip("/")
    return posixpath.normpath(posixpath.join(folder, path))


def of_kind(relations: dict[str, Related], kind: str) -> list[str]:
    """The members that a part refers to in this way."""
    return [r.target for r in relations.values() if r.kind == kind and not r.is_outside]
