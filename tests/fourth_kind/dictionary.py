"""The kind `dictionary`: its documents stand in the Source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from chroma_sync.api.kinds.kind import ADDRESS_KEPT, Kind, SecretMount
from chroma_sync.api.meta import ApiModel, SecretReference, never_changes
from chroma_sync.api.secret_keys import SecretKey, SecretUse


class DictionarySource(Kind):
    """Documents that stand in the Source itself."""

    member: ClassVar = "dictionary"
    connector: ClassVar = "fourth_kind.connector"
    address_field: ClassVar = "title"
    served: ClassVar[tuple[str, ...]] = ("title", "documents", "keySecretRef")
    run_served: ClassVar = ("prefix",)
    unchecked: ClassVar = frozenset({"documents"})
    divisible: ClassVar = False

    title: str = Field(max_length=64, description="What the dictionary is called. Example: terms.")
    documents: dict[str, str] = Field(
        max_length=100, description="Texts by their keys. Example: {bread: Flour and water.}."
    )
    key_secret_ref: SecretReference | None = Field(
        default=None, description="Secret whose key token each document ends with."
    )

    rules: ClassVar = (never_changes("title", f"title {ADDRESS_KEPT}", required=True),)

    def address(self) -> str:
        return f"dictionary:{self.title}"

    def secrets(self) -> Mapping[SecretUse, SecretMount | None]:
        return {SecretUse.SOURCE: SecretMount.of(self.key_secret_ref, SecretKey.TOKEN)}

    def problem(self, run: DictionaryRun | None) -> str | None:
        if run is None or any(key.startswith(run.prefix) for key in self.documents):
            return None
        return "spec.dictionary.prefix: no document of the Source begins so. Choose another one."


class SharedDictionarySource(DictionarySource):
    """The same for collections that several Sources share."""

    member: ClassVar = "shelf"
    served: ClassVar = (*DictionarySource.served, "collectionName")
    shares_collection: ClassVar = True

    collection_name: str = Field(
        max_length=128, description="The collection of runs that name none. Example: terms."
    )

    def default_collection(self) -> str:
        return self.collection_name


class DictionaryRun(ApiModel):
    """What a run over a dictionary Source reads."""

    prefix: str = Field(
        default="", max_length=64, description="Only documents whose key begins so. Example: b."
    )
