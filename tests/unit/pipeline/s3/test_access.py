"""How a bucket is opened, and what each refusal comes to."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from chroma_sync.api.contract import SecretUse
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Stopped, Temporary
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.fetch.s3 import boto
from chroma_sync.pipeline.fetch.s3.boto import Clients
from chroma_sync.pipeline.fetch.s3.place import Place
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NamedSecret
from fakes.certificates import certificates
from fakes.proxy import Asked
from fakes.s3_server import KEYS, Answer, Front, fronted, owner, refusal
from unit.pipeline.s3.kit import Mounted, bucket, listed

ROLE = "arn:aws:iam::123456789012:role/reader"


def by_sts(answer: Answer) -> Answer:
    """A refusal as STS words it."""
    body = b"<ErrorResponse>" + answer.body.partition(b"\n")[2] + b"</ErrorResponse>"
    return replace(answer, body=body)


@pytest.mark.parametrize(
    ("answer", "kind", "reason", "words"),
    [
        (
            refusal(404, "NoSuchBucket"),
            *(Misconfigured, Reason.BUCKET_NOT_FOUND, "Check spec.s3.bucketName"),
        ),
        (
            refusal(403, "AccessDenied"),
            *(Misconfigured, Reason.PERMISSION_MISSING, "ListObjectsV2 is denied"),
        ),
        (
            refusal(403, "InvalidAccessKeyId"),
            *(Misconfigured, Reason.CREDENTIALS_REJECTED, "does not know the keys in Secret"),
        ),
        (
            refusal(403, "SignatureDoesNotMatch"),
            *(Misconfigured, Reason.CREDENTIALS_REJECTED, "secret access key does not belong"),
        ),
        (
            refusal(400, "ExpiredToken"),
            *(Misconfigured, Reason.CREDENTIALS_REJECTED, "session token has expired"),
        ),
        (
            refusal(400, "InvalidToken"),
            *(Misconfigured, Reason.CREDENTIALS_REJECTED, "sessionToken into the Secret"),
        ),
        (
            refusal(403, "RequestTimeTooSkewed"),
            *(Misconfigured, Reason.CLOCK_SKEW, "Set the clock of the node"),
        ),
        (
            refusal(301, "PermanentRedirect"),
            *(Misconfigured, Reason.WRONG_REGION, "Correct spec.s3.region"),
        ),
        (
            refusal(503, "SlowDown", "Please reduce your request rate."),
            *(Temporary, Reason.HOST_UNREACHABLE, "503 (SlowDown). It says: Please reduce"),
        ),
        (
            refusal(500, "InternalError"),
            *(Temporary, Reason.HOST_UNREACHABLE, "500 (InternalError)"),
        ),
        (
            Answer(502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>"),
            *(Temporary, Reason.HOST_UNREACHABLE, "HTTP status 502"),
        ),
        (
            Answer(403, {"Content-Type": "text/html"}, b"<html>Blocked</html>"),
            *(Temporary, Reason.HOST_UNREACHABLE, "HTTP status 403"),
        ),
        (
            refusal(400, "SomethingNew"),
            *(Temporary, Reason.HOST_UNREACHABLE, "400 (SomethingNew)"),
        ),
    ],
)
def test_each_refusal_has_its_reason(
    front: Front,
    tmp_path: Path,
    answer: Answer,
    kind: type[StepError],
    reason: Reason,
    words: str,
) -> None:
    front.script = lambda _: answer
    with pytest.raises(kind) as caught:
        bucket(front.url, tmp_path).check()
    assert caught.value.reason is reason
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{front.url}/papers: ")
    # Asked once, but where the region is looked for.
    assert len(front.asked) == (2 if reason is Reason.WRONG_REGION else 1)


def test_a_bucket_that_is_there(front: Front, tmp_path: Path) -> None:
    bucket(front.url, tmp_path).check()
    (asked,) = front.asked
    assert asked.method == "GET"
    assert "max-keys=1&" in asked.path, "an address of one's own is asked by path"


def test_a_bucket_that_is_not_there(front: Front, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        bucket(front.url, tmp_path, "letters").check()
    assert caught.value.reason is Reason.BUCKET_NOT_FOUND


def test_one_object_of_a_bucket_that_is_not_there(front: Front, tmp_path: Path) -> None:
    """HEAD gives no words, so it is asked once more."""
    with pytest.raises(Misconfigured) as caught:
        listed(bucket(front.url, tmp_path, "letters", run={"objectKey": "a.txt"}))
    assert caught.value.reason is Reason.BUCKET_NOT_FOUND
    assert front.calls() == ["HEAD /letters/a.txt", "GET /letters/a.txt"]


def test_one_object_that_may_not_be_there(front: Front, tmp_path: Path) -> None:
    front.script = lambda _: refusal(403, "AccessDenied")
    with pytest.raises(Misconfigured, match="There is no such object, or the keys in Secret"):
        listed(bucket(front.url, tmp_path, run={"objectKey": "a.txt"}))


@pytest.mark.parametrize("in_header", [False, True])
def test_another_region_is_followed(front: Front, tmp_path: Path, in_header: bool) -> None:
    owner(front.upstream).put_object(Bucket="papers", Key="a.txt", Body=b"text")

    def script(asked: Asked) -> Answer | None:
        if "/eu-west-3/s3/" in asked.headers["authorization"]:
            return None
        if in_header:
            answer = refusal(301, "PermanentRedirect")
            return replace(answer, headers={**answer.headers, "x-amz-bucket-region": "eu-west-3"})
        return refusal(400, "AuthorizationHeaderMalformed", Region="eu-west-3")

    front.script = script
    connector = bucket(front.url, tmp_path)
    (ref,) = listed(connector)
    assert connector.open(ref, None)
    assert len(front.asked) == 3, "it is looked for once"


def test_a_server_that_does_not_answer(front: Front, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *_: None) as closed:  # type: ignore[arg-type]
        port = closed.server_address[1]
    with pytest.raises(
        Temporary, match=r"Could not connect.*Check spec\.s3\.endpointUrl"
    ) as caught:
        bucket(f"http://127.0.0.1:{port}", tmp_path).check()
    assert caught.value.reason is Reason.HOST_UNREACHABLE


def test_a_server_in_trouble_is_waited_for(front: Front, tmp_path: Path) -> None:
    left = [refusal(503, "SlowDown")] * 3
    front.script = lambda _: left.pop() if left else None
    told: list[str] = []
    retries = HostRetries(outage_seconds=60, sleep=lambda _: None, waits=lambda reason: told.append)
    bucket(front.url, tmp_path, retries=retries).check()
    assert ["SlowDown" in words for words in told] == [True, True, True, False]


def test_a_bucket_that_was_there_a_moment_ago_is_waited_for(front: Front, tmp_path: Path) -> None:
    retries = HostRetries(outage_seconds=60, sleep=lambda _: None)
    connector = bucket(front.url, tmp_path, retries=retries)
    connector.check()
    left = [refusal(404, "NoSuchBucket")] * 3
    front.script = lambda _: left.pop() if left else None
    connector.check()
    assert left == []


def test_keys_that_are_renewed_are_used_from_then_on(front: Front, tmp_path: Path) -> None:
    secrets = Mounted(KEYS)
    connector = bucket(front.url, tmp_path, secrets=secrets)
    connector.check()
    secrets.values = {**KEYS, "accessKeyId": "AKIANEW", "sessionToken": "token-1"}
    connector.check()
    first, second = (asked.headers for asked in front.asked)
    assert "Credential=AKIAEXAMPLE/" in first["authorization"]
    assert "x-amz-security-token" not in first
    assert "Credential=AKIANEW/" in second["authorization"]
    assert second["x-amz-security-token"] == "token-1"


@pytest.mark.parametrize("key", ["accessKeyId", "secretAccessKey"])
def test_a_key_that_the_secret_lacks(front: Front, tmp_path: Path, key: str) -> None:
    secrets = Mounted({k: v for k, v in KEYS.items() if k != key})
    with pytest.raises(Misconfigured, match=f"no key {key} in Secret 'bucket-reader'") as caught:
        bucket(front.url, tmp_path, secrets=secrets).check()
    assert caught.value.reason is Reason.SECRET_NOT_FOUND
    assert front.asked == []


@pytest.mark.parametrize("key", ["accessKeyId", "sessionToken"])
def test_keys_that_no_header_may_hold(front: Front, tmp_path: Path, key: str) -> None:
    with pytest.raises(Misconfigured, match=f"{key} in Secret 'bucket-reader' holds") as caught:
        bucket(front.url, tmp_path, secrets=Mounted({**KEYS, key: "a\nb"})).check()
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED


def test_nothing_secret_is_said_back(front: Front, tmp_path: Path) -> None:
    secrets = Mounted({**KEYS, "sessionToken": "token-1"})
    words = f"You sent token-1, signed with {KEYS['secretAccessKey']}"
    front.script = lambda _: refusal(403, "AccessDenied", words)
    with pytest.raises(Misconfigured) as caught:
        bucket(front.url, tmp_path, secrets=secrets).check()
    assert "You sent ***, signed with ***. Allow" in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("length", [20, 1_000])
def test_no_part_of_a_secret_is_said_back(front: Front, tmp_path: Path, length: int) -> None:
    """Not as a code either, nor cut in its middle."""
    token = "token" * (length // 5)
    secrets = Mounted({**KEYS, "sessionToken": token})
    front.script = lambda _: refusal(500, token, f"{'word ' * 58}{token}")
    with pytest.raises(Temporary) as caught:
        bucket(front.url, tmp_path, secrets=secrets).check()
    assert "token" not in str(caught.value)
    assert "***" in str(caught.value)


def test_an_authority_of_ones_own(front: Front, tmp_path: Path) -> None:
    made = certificates("127.0.0.1")
    trusted: dict[str, Any] = {"caSecretRef": {"name": "ca"}, "insecure": False}
    with fronted(front.upstream, made.context()) as safe:
        secrets = Mounted(KEYS, ca=made.authority)
        bucket(safe.url, tmp_path, secrets=secrets, **trusted).check()
        with pytest.raises(Misconfigured, match=r"spec\.s3\.caSecretRef") as caught:
            bucket(safe.url, tmp_path).check()
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
    with pytest.raises(Misconfigured, match="holds no certificate in PEM form"):
        bucket("https://127.0.0.1", tmp_path, secrets=Mounted(KEYS, ca="none"), **trusted)


def test_a_role_is_assumed_with_the_keys(front: Front, tmp_path: Path) -> None:
    secrets = Mounted(KEYS)
    role: dict[str, Any] = {"roleArn": ROLE, "externalId": "team-a"}
    connector = bucket(front.url, tmp_path, secrets=secrets, **role)
    connector.check()
    connector.check()
    assumed, first, second = front.asked
    assert b"ExternalId=team-a" in assumed.body
    assert b"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader" in assumed.body
    assert "Credential=AKIAEXAMPLE/" in assumed.headers["authorization"]
    assert "Credential=AKIAEXAMPLE/" not in first.headers["authorization"]
    assert first.headers["x-amz-security-token"] == second.headers["x-amz-security-token"]
    # Another key opens it anew.
    secrets.values["accessKeyId"] = "AKIANEW"
    connector.check()
    assert "Credential=AKIANEW/" in front.asked[3].headers["authorization"]


def test_a_role_is_assumed_anew_before_its_keys_expire(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto, "_RENEW_BEFORE", timedelta(hours=24))
    connector = bucket(front.url, tmp_path, roleArn=ROLE)
    connector.check()
    connector.check()
    assert [asked.method for asked in front.asked] == ["POST", "GET"] * 2


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (
            refusal(403, "AccessDenied", "x is not authorized to perform: sts:AssumeRole"),
            *(Reason.PERMISSION_MISSING, "check spec.s3.roleArn and spec.s3.externalId"),
        ),
        (refusal(403, "InvalidClientTokenId"), Reason.CREDENTIALS_REJECTED, "does not know"),
        (
            refusal(403, "SignatureDoesNotMatch", "Signature expired: 2020 is now earlier"),
            *(Reason.CLOCK_SKEW, "Set the clock"),
        ),
    ],
)
def test_a_role_that_is_refused(
    front: Front, tmp_path: Path, answer: Answer, reason: Reason, words: str
) -> None:
    front.script = lambda asked: by_sts(answer) if asked.method == "POST" else None
    with pytest.raises(Misconfigured) as caught:
        bucket(front.url, tmp_path, roleArn=ROLE).check()
    assert caught.value.reason is reason
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{ROLE}: ")


def test_a_stop_is_heard_while_a_role_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all threads but the one that asks, whose time is bounded."""
    monkeypatch.setattr(boto, "_SILENCE_SECONDS", 2)
    stop = StopSignal()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(8) as threads:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        connector = bucket(url, tmp_path, stop=stop, roleArn=ROLE)
        ref = Ref("a.txt", "1", 4)
        opening = [threads.submit(connector.open, ref, None) for _ in range(8)]
        stop.stop()
        done = list(as_completed(opening, timeout=60))
    stopped = [isinstance(one.exception(), Stopped) for one in done]
    assert stopped.count(False) <= 1


def test_a_role_that_is_refused_says_nothing_of_an_object(front: Front, tmp_path: Path) -> None:
    owner(front.upstream).put_object(Bucket="papers", Key="a.txt", Body=b"text")
    secrets = Mounted(KEYS)
    connector = bucket(front.url, tmp_path, secrets=secrets, roleArn=ROLE)
    (ref,) = listed(connector)
    secrets.values["accessKeyId"] = "AKIANEW"  # so that the role is asked for again
    front.script = lambda _: by_sts(refusal(403, "AccessDenied"))
    with pytest.raises(Misconfigured) as caught:
        connector.open(ref, None)
    assert caught.value.reason is Reason.PERMISSION_MISSING
    assert str(caught.value).startswith(f"{ROLE}: the role can't be assumed")


def test_a_laptops_own_settings(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALAPTOP")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "laptops-secret")
    with fronted(front.upstream) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        bucket(front.url, tmp_path, credentialsSecretRef=None).check()
        assert other.asked == []
    assert "Credential=AKIALAPTOP/" in front.asked[0].headers["authorization"]
    front.script = lambda _: refusal(403, "AccessDenied", "You sent laptops-secret")
    with pytest.raises(Misconfigured, match=r"You sent \*\*\*\."):
        bucket(front.url, tmp_path, credentialsSecretRef=None).check()


def test_the_machines_own_role_is_nobodys(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fronted(front.upstream) as metadata:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
        connector = bucket(front.url, tmp_path, credentialsSecretRef=None)
        with pytest.raises(Misconfigured, match=r"spec\.s3\.credentialsSecretRef") as caught:
            connector.check()
        assert metadata.asked == []
    assert caught.value.reason is Reason.CREDENTIALS_MISSING
    assert front.asked == []


def test_the_identity_of_a_pod(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's web identity: the token of the service account goes to AWS's STS, and nowhere else."""
    token = tmp_path / "token"
    token.write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    with fronted(front.upstream) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        bucket(front.url, tmp_path, credentialsSecretRef=None).check()
        (asked,) = sts.asked
    assert b"Action=AssumeRoleWithWebIdentity" in asked.body
    (listing,) = front.asked
    assert listing.headers["x-amz-security-token"]
    assert "a.b.c" not in repr(listing)


def test_a_profile_that_is_not_there(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Misconfigured, match="nobody") as caught:
        bucket(front.url, tmp_path, credentialsSecretRef=None).check()
    assert caught.value.reason is Reason.CREDENTIALS_MISSING


def test_aws_is_asked_by_the_buckets_own_name() -> None:
    secret = NamedSecret(Mounted(KEYS), SecretUse.SOURCE, "bucket-reader")
    client = Clients(Place("papers", "eu-central-1"), secret, None, 1, StopSignal()).s3()

    def send(request: AWSPreparedRequest, **_: object) -> None:
        raise InterruptedError(request.url)

    client.meta.events.register("before-send.s3", send)
    with pytest.raises(InterruptedError) as caught:
        client.get_object(Bucket="papers", Key="a.txt")
    assert str(caught.value) == "https://papers.s3.eu-central-1.amazonaws.com/a.txt"


def test_a_token_of_kubernetes_is_sent_to_nobody(front: Front, tmp_path: Path) -> None:
    claims = "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIn0"
    secrets = Mounted({**KEYS, "sessionToken": f"h.{claims}.s"})
    with pytest.raises(Misconfigured) as caught:
        bucket(front.url, tmp_path, secrets=secrets).check()
    assert caught.value.reason is Reason.SERVICE_ACCOUNT_TOKEN
    assert front.asked == []
