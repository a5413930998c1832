"""What a laptop says of a Secret that a Source names and that can't be used."""

from __future__ import annotations

import pytest

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.load import load_objects
from chroma_sync.api.reasons import Reason
from chroma_sync.api.secret import Secret as SecretObject
from chroma_sync.api.source import Source
from chroma_sync.cli.file_secrets import FileSecrets
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.secrets import NamedSecret
from cluster.api.invalid_objects import changed

SOURCE = Source.model_validate(
    changed("github", {"spec.github.credentialsSecretRef": {"name": "login"}})
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login%s}\nstringData: {%s}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is no Secret 'login' in the files. Put it into the files, or name its file"),
        (
            SECRET % ("", "user: canary-1, password: canary-2"),
            "Secret 'login' has no key 'token'; the keys it has: 'password', 'user'. Add the key, "
            "or rename one.",
        ),
        (SECRET % ("", ""), "Secret 'login' has no key 'token'; it has no keys at all. Add"),
        (SECRET % ("", "token: ''"), "The 'token' in Secret 'login' is empty. Put its value in."),
        (SECRET % ("", "token: ' '"), "The 'token' in Secret 'login' is empty. Put its value in."),
        (
            SECRET % (", namespace: team", "token: canary"),
            "Secret 'login' stands in namespace 'team', but the Source that names it in 'default'. "
            "Give both the same metadata.namespace.",
        ),
    ],
)
def test_what_is_wrong_with_a_secret(text: str, says: str) -> None:
    objects = [one for one in load_objects(text, "secret.yaml") if isinstance(one, SecretObject)]
    secrets = {(one.metadata.namespace, one.metadata.name): one for one in objects}
    with pytest.raises(Misconfigured) as caught:
        NamedSecret(FileSecrets(SOURCE, secrets), SecretUse.SOURCE, "login").value(SecretKey.TOKEN)
    assert caught.value.reason is Reason.SECRET_NOT_FOUND
    assert str(caught.value).startswith(says)
    assert "canary" not in str(caught.value)
