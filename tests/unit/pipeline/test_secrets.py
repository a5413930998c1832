"""A token of Kubernetes is sent to nobody, whatever Secret it stands in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.secrets import NamedSecret, token


def jwt(claims: Any) -> str:
    """A token with these claims, and a signature that nobody checks."""
    parts = ({"alg": "RS256", "kid": "1"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts]
    return ".".join([*(part.rstrip("=") for part in encoded), "c2lnbmF0dXJl"])


BOUND = {
    "aud": ["https://kubernetes.default.svc"],
    "iss": "https://kubernetes.default.svc",
    "kubernetes.io": {"namespace": "team", "serviceaccount": {"name": "default", "uid": "1"}},
    "sub": "system:serviceaccount:team:default",
}
OF_A_SECRET = {
    "iss": "kubernetes/serviceaccount",
    "kubernetes.io/serviceaccount/namespace": "team",
    "kubernetes.io/serviceaccount/secret.name": "default-token",
    "sub": "system:serviceaccount:team:default",
}
OF_KUBERNETES = {
    "bound": jwt(BOUND),
    "of a Secret": jwt(OF_A_SECRET),
    "another subject": jwt({**BOUND, "sub": "someone"}),
    "the subject alone": jwt({"sub": "system:serviceaccount:team:default"}),
    "as a header has it": f"Bearer {jwt(BOUND)}",
    "with a line feed": f"{jwt(BOUND)}\n",
}
OF_OTHERS = {
    "a plain one": "ghp_0123456789abcdef",
    "a JWT of another issuer": jwt({"iss": "https://login.example", "sub": "robot"}),
    "dots": "a.b.c",
    "no object": jwt([1, 2]),
    "no JSON": "aaaa.bm90IGpzb24.cccc",
    "no base64": "a.%%%.c",
    "deep": f"a.{base64.urlsafe_b64encode(b'[' * 30_000).decode().rstrip('=')}.c",
    "digits": f"a.{base64.urlsafe_b64encode(b'9' * 30_000).decode().rstrip('=')}.c",
}


class Mounted:
    """One value in every key."""

    def __init__(self, value: str) -> None:
        self.value = value

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        return self.value.encode()

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        raise AssertionError("it is there")


@pytest.mark.parametrize("value", OF_KUBERNETES.values(), ids=OF_KUBERNETES)
@pytest.mark.parametrize("key", SecretKey)
def test_a_token_of_kubernetes_is_refused(value: str, key: SecretKey) -> None:
    with pytest.raises(Misconfigured) as caught:
        NamedSecret(Mounted(value), SecretUse.SOURCE, "default-token").value(key)
    assert caught.value.reason is Reason.SERVICE_ACCOUNT_TOKEN
    assert "default-token" in str(caught.value)
    assert value.split(".")[1] not in str(caught.value)


@pytest.mark.parametrize("value", OF_OTHERS.values(), ids=OF_OTHERS)
def test_other_tokens_are_used(value: str) -> None:
    assert token(Mounted(value), SecretUse.CHROMA, "mine", SecretKey.TOKEN) == value
