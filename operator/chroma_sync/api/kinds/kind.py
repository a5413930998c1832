"""What all else needs to know of a kind of source. Each kind is a model, which is its member of a
Source's spec; how documents are read from it is the pipeline's affair."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from chroma_sync.api.meta import ApiModel, SecretReference
from chroma_sync.api.secret_keys import SecretKey, SecretUse

ADDRESS_KEPT: Final = "never changes: make another Source for another address"


@dataclass(frozen=True)
class SecretMount:
    """A Secret that a pod may see by these keys: so most other Secrets are of no use in it."""

    name: str
    keys: tuple[SecretKey, ...]

    @classmethod
    def of(cls, reference: SecretReference | None, *keys: SecretKey) -> SecretMount | None:
        """None when no Secret is named."""
        return None if reference is None else cls(reference.name, keys)


class Kind(ApiModel):
    """The base of all kinds. Names of fields are those of YAML, but in `unchecked`."""

    # Its name: the member of a Source's spec, and of an Invocation's if its runs have settings.
    member: ClassVar[str]
    article: ClassVar[str] = "a"
    # The package that reads it, which has a function `connect`. Only a name: nothing of the
    # pipeline is imported here.
    connector: ClassVar[str]
    # The field that people know a Source by.
    address_field: ClassVar[str]
    # The fields that code serves, of the Source's member and of the Invocation's.
    served: ClassVar[tuple[str, ...]] = ()
    run_served: ClassVar[tuple[str, ...]] = ()
    # What a check does not depend on: for another value of these the Source is not checked again.
    unchecked: ClassVar[frozenset[str]] = frozenset()
    # Whether several pods can share the documents of one run: each falls to one by its listed key,
    # and the listing must tell its version.
    divisible: ClassVar[bool] = True
    # Whether PDF, Office files, pictures and pages are documents there, and not files like others.
    has_documents: ClassVar[bool] = True
    # Whether runs bring their documents into a collection that other Sources may share, and that is
    # never marked as finished. The Source of such a kind names that of runs that name none
    # (`default_collection`); those of all others have their collections for themselves.
    shares_collection: ClassVar[bool] = False

    @abstractmethod
    def address(self) -> str:
        """Where the documents come from, as the collection remembers it."""

    def hosts(self) -> Iterable[tuple[str, str]]:
        """Each field that names a server, with its address."""
        return ()

    def secrets(self) -> Mapping[SecretUse, SecretMount | None]:
        """The Secrets that a pod may see."""
        return {}

    def picture_languages(self) -> Sequence[str]:
        """The languages that pictures are read in, of a kind with documents, by Tesseract's
        names."""
        return ("eng",)

    def default_collection(self) -> str | None:
        """The collection of runs that name none, of a kind that shares collections."""
        return None

    def problem(self, run: Any) -> str | None:
        """What keeps an Invocation from running over this Source, and what to do; None when it
        fits. `run` is the Invocation's member of this kind."""
        return None
