"""A Secret of Kubernetes, as a laptop reads it from YAML. On a cluster nobody here reads one."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from chroma_sync.api.meta import ObjectMeta, rule_error

API_VERSION: Final = "v1"
Values = Annotated[dict[str, str], Field(default_factory=dict, repr=False)]


class Secret(BaseModel):
    """The fields of a Secret that hold something. Source: the Kubernetes API, Secret v1 core."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: ObjectMeta
    data: Values
    string_data: Values

    @field_validator("data")
    @classmethod
    def _is_base64(cls, data: dict[str, str]) -> dict[str, str]:
        for key, value in data.items():
            try:
                base64.b64decode("".join(value.split()), validate=True)
            except (binascii.Error, ValueError):
                # Without the value: it is a secret, if a broken one.
                message = "must be base64; write plain text under stringData"
                raise rule_error(key[:60], message) from None
        return data

    def values(self) -> dict[str, bytes]:
        """Each key's bytes; `stringData` wins, as in the API server."""
        decoded = {key: base64.b64decode(value) for key, value in self.data.items()}
        return decoded | {key: value.encode() for key, value in self.string_data.items()}
