"""What an answer of a Git host means, told from the answer alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import RateLimited
from chroma_sync.pipeline.fetch.git.access import Public
from chroma_sync.pipeline.fetch.git.failures import asked_wait, clock_skew, explained, own_words
from chroma_sync.pipeline.fetch.git.http import Answer

NOW = 1_700_000_000.0
URL = "https://git.example.com/acme/shop"
GIT = {"content-type": "application/x-git-upload-pack-advertisement"}
TEXT = {"content-type": "text/plain; charset=utf-8"}


class Login:
    """A login from a Secret."""

    secret = "mine"

    def __init__(self, is_app: bool = False) -> None:
        self.is_app = is_app

    def login(self) -> None:
        """Nobody asks for it."""

    def forget(self) -> None:
        """There is nothing to forget."""


def at(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer(429, {"retry-after": "30"}), 30),
        (Answer(429, {"retry-after": at(90)}), 90),
        (Answer(429, {"retry-after": at(-90)}), 1),
        (Answer(429, {"retry-after": "soon"}), 60),
        (Answer(429, {}), 60),
        (Answer(403, {"retry-after": "7"}), 7),
        (Answer(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000300"}), 300),
        (Answer(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 5000}), 3600),
        (Answer(403, {"x-ratelimit-remaining": "0"}), 60),
        (Answer(403, {}, b"You have exceeded a secondary rate limit."), 60),
        (Answer(403, {"x-ratelimit-remaining": "12"}), None),
        (Answer(404, {"retry-after": "7"}), None),
        (Answer(200, GIT), None),
    ],
)
def test_how_long_to_wait(answer: Answer, wait: float | None) -> None:
    assert asked_wait(answer, NOW) == wait
    refusal = explained(answer, URL, Login(), NOW)
    assert isinstance(refusal, RateLimited) == (wait is not None)


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (Answer(200, {"content-type": "text/html"}), Reason.REPOSITORY_NOT_FOUND, "Git host"),
        (Answer(200, TEXT), Reason.REPOSITORY_NOT_FOUND, "Git host"),
        (Answer(203, {}), Reason.REPOSITORY_NOT_FOUND, "Git host"),
        (
            Answer(301, {"location": "https://git.example.com/new/shop/info/refs?service=x"}),
            Reason.REPOSITORY_MOVED,
            "renamed or moved",
        ),
        (Answer(302, {"location": "/users/sign_in"}), Reason.CREDENTIALS_REJECTED, "'mine'"),
        (Answer(302, {"location": "http://["}), Reason.CREDENTIALS_REJECTED, "'mine'"),
        (Answer(302, {}), Reason.CREDENTIALS_REJECTED, "'mine'"),
        (
            Answer(403, TEXT, b"The 'acme' organization has enabled or enforced SAML SSO."),
            Reason.SSO_REQUIRED,
            "Authorize",
        ),
        (
            Answer(403, TEXT, b"Your IP address is not permitted.\n"),
            Reason.PERMISSION_MISSING,
            "It says: Your IP address is not permitted. Give",
        ),
        (Answer(403, {}, b"<html>no</html>"), Reason.PERMISSION_MISSING, "(403). Give"),
        (Answer(410, {}), Reason.REPOSITORY_NOT_FOUND, "hides it"),
        (Answer(407, {}), Reason.HOST_UNREACHABLE, "proxy"),
        (Answer(503, {}), Reason.HOST_UNREACHABLE, "503"),
    ],
)
def test_what_a_refusal_means(answer: Answer, reason: Reason, words: str) -> None:
    refusal = explained(answer, URL, Login(), NOW)
    assert refusal is not None and refusal.reason is reason
    assert words in str(refusal) and URL in str(refusal)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-git-upload-pack-advertisement",
        "application/x-git-upload-pack-advertisement; charset=utf-8",
        "Application/X-Git-Upload-Pack-Advertisement ;charset=utf-8",
    ],
)
def test_a_git_host_by_its_media_type(content_type: str) -> None:
    assert explained(Answer(200, {"content-type": content_type}), URL, Login(), NOW) is None


@pytest.mark.parametrize("status", [302, 401, 403])
def test_without_a_login_a_private_repository_is_one_that_is_not_there(status: int) -> None:
    refusal = explained(Answer(status, {"location": "/login"}), URL, Public(), NOW)
    assert refusal is not None and refusal.reason is Reason.REPOSITORY_NOT_FOUND
    assert "spec.github.credentialsSecretRef" in str(refusal)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"[1]", b"\xff", b'{"message": 1}'])
def test_a_body_that_is_no_json_object_of_ours(body: bytes) -> None:
    assert own_words(Answer(403, {}, body)) == ""
    assert explained(Answer(403, {}, body), URL, Login(), NOW) is not None


def test_an_answer_does_not_show_its_body() -> None:
    assert "canary" not in repr(Answer(201, {}, b'{"token": "canary"}'))


@pytest.mark.parametrize(("date", "skew"), [(at(-40), 40), (at(0), 0), ("never", 0), (None, 0)])
def test_the_skew_of_clocks(date: str | None, skew: float) -> None:
    assert clock_skew(Answer(401, {} if date is None else {"date": date}), NOW) == skew
