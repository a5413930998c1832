"""What the client makes of each recorded answer, given to its own request for three texts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    TeiModel,
)
from chroma_sync.pipeline.embed.errors import TextTooLong
from fakes.scripted_tei import RECORDINGS, Clock, Reply, recorded, scripted, sound

TEXTS = ["first", "second", "third"]

VECTORS = """
embed_blank_string embed_dimensions_64 embed_exactly_256_tokens embed_list embed_not_normalized
embed_qwen3 embed_string embed_token_ids embed_too_long_truncate_absent
embed_too_long_truncate_true embed_trailing_text embed_unknown_field key_right
"""
TOO_LONG = """
embed_250_times_too_long embed_257_tokens embed_sparse_too_long_truncate_false
embed_too_long_one_of_two_truncate_false embed_too_long_truncate_false
server_no_auto_truncate_too_long
"""
REJECTED = """
backend_error embed_33_and_over_payload embed_33_inputs embed_dimensions_too_large
embed_dimensions_zero embed_empty_list embed_empty_string embed_empty_string_in_list
embed_on_splade embed_payload_too_large embed_sparse_on_dense embed_unknown_prompt nan_vector
openai_33_inputs openai_empty zero_vector_normalized
"""
UNAVAILABLE = """
batch_over_permits_idle batch_over_permits_sparse decode embed_overloaded embed_sparse
embed_sparse_too_long_truncate_absent health info info_qwen3 info_splade key_health_open
nan_vector_base64 openai_base64 openai_float openai_too_long tokenize
"""
MISCONFIGURED = """
embed_bad_json embed_direction_null embed_get embed_inputs_number embed_no_content_type
embed_normalize_null embed_text_content_type embed_wrong_shape key_info_missing key_missing
key_wrong unknown_route
"""
ERRORS: dict[str, type[Exception]] = {
    **dict.fromkeys(TOO_LONG.split(), TextTooLong),
    **dict.fromkeys(REJECTED.split(), EmbeddingRejected),
    **dict.fromkeys(UNAVAILABLE.split(), EmbeddingUnavailable),
    **dict.fromkeys(MISCONFIGURED.split(), EmbeddingMisconfigured),
}


def answer(name: str, body: bytes) -> Reply:
    """The recording as the answer to some texts; of its vectors one for each text."""
    status, kind, data = recorded(name)
    if name in (*VECTORS.split(), "nan_vector", "zero_vector_normalized"):
        rows = json.loads(data)
        wanted = json.loads(body)["inputs"]
        data = json.dumps([rows[TEXTS.index(text) % len(rows)] for text in wanted]).encode()
    return status, kind, data


def embed(name: str, *, first: bool = False) -> np.ndarray:
    """Embed the three texts on a server that answers with a recording, but always embeds the text
    by which the client finds out whether a server is well. `first`: it gives this answer from its
    first request on."""

    def script(path: str, body: bytes) -> Reply:
        if first:
            return recorded(name)
        if path != "/embed" or json.loads(body)["inputs"][0] not in TEXTS:
            return sound(path, body)
        return answer(name, body)

    clock = Clock()
    with scripted(script) as url:
        model = TeiModel(
            url,
            model="all-MiniLM-L6-v2",
            retry_budget_seconds=1,
            clock=clock,
            sleep=clock.sleep,
        )
        try:
            return model.embed(TEXTS)
        finally:
            model.close()


def test_each_recording_has_its_outcome() -> None:
    assert {f.stem for f in RECORDINGS.glob("*.json")} == {*VECTORS.split(), *ERRORS}


@pytest.mark.parametrize("name", VECTORS.split())
def test_vectors(name: str) -> None:
    vectors = embed(name)
    rows = np.array(json.loads(recorded(name)[2]))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [unit[i % len(unit)] for i in range(3)], atol=1e-6)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors(name: str) -> None:
    with pytest.raises(ERRORS[name]) as caught:
        embed(name, first=name in MISCONFIGURED.split())
    if isinstance(caught.value, EmbeddingRejected):
        assert min(caught.value.refused) == 0
    if isinstance(caught.value, TextTooLong):
        assert caught.value.index == 0
    if isinstance(caught.value, EmbeddingMisconfigured):
        status = recorded(name)[0]
        expected = "CredentialsRejected" if status == 401 else "ModelNotServed"
        assert caught.value.reason == expected
    # What the server said stands in the message.
    status, kind, body = recorded(name)
    if status != 200 and kind.startswith("text/plain"):
        assert body.decode()[:100] in str(caught.value)


@pytest.mark.parametrize("name", MISCONFIGURED.split())
def test_an_odd_answer_of_a_server_that_was_well_is_trouble(name: str) -> None:
    with pytest.raises(EmbeddingUnavailable):
        embed(name)
