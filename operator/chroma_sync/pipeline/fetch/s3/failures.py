"""What a server's refusal means, and what to do about it: pure functions.

Sources: Amazon S3, API reference, "Error responses"; AWS STS, API reference, "AssumeRole", and
"Common errors".
"""

from __future__ import annotations

from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.fetch.s3.place import Place, Refused

_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName"})
_KEY_ID: Final = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "Unauthorized"}
)
_SIGNATURE: Final = frozenset({"SignatureDoesNotMatch", "InvalidSignature"})
_TOKEN: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidIdentityToken",
    }
)
_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_REGION: Final = frozenset(
    {
        *("PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"),
        *("IllegalLocationConstraintException", "301", "302", "307"),
    }
)
_DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "NotSignedUp"})
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_ARCHIVED: Final = "InvalidObjectState"
# The right of IAM that a call needs.
_RIGHTS: Final = {
    "ListObjectsV2": "s3:ListBucket on the bucket",
    "HeadObject": "s3:GetObject on the object",
    "GetObject": "s3:GetObject on the bucket's objects",
}


def of_object(refused: Refused) -> DocumentReason | None:
    """What a refusal to read a listed object says of that object; None when it says something of
    the bucket, of the login or of the server."""
    if refused.call != "GetObject":  # but one that opens the way to it, such as AssumeRole
        return None
    if refused.code in _GONE:
        return DocumentReason.GONE
    if refused.code == _ARCHIVED:
        return DocumentReason.ARCHIVED
    if _is_kms(refused):
        return DocumentReason.KMS_DENIED
    if refused.code in _DENIED or _is_senders_own(refused):
        return DocumentReason.ACCESS_DENIED
    return None


def explained(refused: Refused, place: Place, key: str | None = None) -> StepError:
    """Why a server refuses a call, and what to do; `key` is the object's that was asked for."""
    reason, message = _explained(refused, place, key)
    text = message.format(
        keys=_keys(place),
        words=f" It says: {refused.words}." if refused.words else "",
        right=_RIGHTS.get(refused.call, f"to call {refused.call}"),
        call=refused.call,
        code=refused.code,
        status=refused.status,
        role=place.role_arn,
        server=place.server,
        key=repr(key),
        check="spec.s3.endpointUrl" if place.endpoint else "spec.s3.region",
    )
    shown = place.role_arn if refused.call == "AssumeRole" else place.shown
    return (Temporary if reason is Reason.HOST_UNREACHABLE else Misconfigured)(
        reason, f"{shown}: {text}"
    )


def _explained(refused: Refused, place: Place, key: str | None) -> tuple[Reason, str]:
    code = refused.code
    if code in _CLOCK or (code in _SIGNATURE and "ignature expired" in refused.words):
        return Reason.CLOCK_SKEW, _CLOCK_SKEW
    if code in _KEY_ID:
        return Reason.CREDENTIALS_REJECTED, _UNKNOWN_KEY
    if code in _SIGNATURE:
        return Reason.CREDENTIALS_REJECTED, _NOT_A_PAIR
    if code in _TOKEN:
        return Reason.CREDENTIALS_REJECTED, _EXPIRED
    if code in _BUCKET:
        return Reason.BUCKET_NOT_FOUND, _NO_BUCKET
    if code in _GONE and key is not None:
        return Reason.OBJECT_NOT_FOUND, _NO_OBJECT
    if code in _REGION:
        return Reason.WRONG_REGION, _OTHER_REGION
    if _is_kms(refused):
        return Reason.KMS_DENIED, _NO_KMS
    if code in _DENIED or _is_senders_own(refused):
        if refused.call == "AssumeRole":
            return Reason.PERMISSION_MISSING, _NO_ROLE
        return Reason.PERMISSION_MISSING, _HIDDEN if key is not None else _FORBIDDEN
    # All else may be over soon: a server in trouble, or something on the way to it.
    return Reason.HOST_UNREACHABLE, _TROUBLE


def _is_kms(refused: Refused) -> bool:
    is_denied = refused.code in _DENIED and "kms:" in refused.words.lower()
    return is_denied or refused.code.startswith("KMS.")


def _is_senders_own(refused: Refused) -> bool:
    """Whether an object is encrypted with a key that only who wrote it has (SSE-C)."""
    return refused.code == "InvalidRequest" and "erver Side Encryption" in refused.words


def _keys(place: Place) -> str:
    return f"the keys in Secret {place.secret!r}" if place.secret else "the pod's own credentials"


_CLOCK_SKEW: Final = (
    "the clocks here and of the server differ by more than some minutes, so that it takes no "
    "signature. Set the clock of the node or laptop, or the server's."
)
_UNKNOWN_KEY: Final = (
    "the server does not know {keys}: they were revoked, or the access key id is mistyped. Put new "
    "ones into accessKeyId and secretAccessKey."
)
_NOT_A_PAIR: Final = (
    "the secret access key does not belong to the access key id ({keys}). Put both anew into "
    "accessKeyId and secretAccessKey."
)
_EXPIRED: Final = (
    "the session token has expired or is not valid ({keys}). Put new keys with their sessionToken "
    "into the Secret, or use keys that last."
)
_NO_BUCKET: Final = (
    "{server} has no such bucket. Check spec.s3.bucketName, spec.s3.endpointUrl and spec.s3.region."
)
_NO_OBJECT: Final = (
    "the bucket has no object {key}. Check spec.s3.objectKey of the Invocation: it is the whole "
    "key, with the prefix."
)
_OTHER_REGION: Final = (
    "the bucket is in another region than spec.s3.region, and the server does not say in which "
    "({code}).{words} Correct spec.s3.region."
)
_NO_KMS: Final = (
    "{call} is denied, as the object's KMS key may not be used ({code}).{words} Allow {keys} "
    "kms:Decrypt on that key, and see that it is enabled."
)
_NO_ROLE: Final = (
    "the role can't be assumed ({code}).{words} Allow {keys} sts:AssumeRole on it, name them in "
    "its trust policy, and check spec.s3.roleArn and spec.s3.externalId."
)
_FORBIDDEN: Final = "{call} is denied ({code}).{words} Allow {keys} {right}."
_HIDDEN: Final = (
    "{call} of {key} is denied ({code}).{words} There is no such object, or {keys} may not read "
    "it: allow them {right}, and s3:ListBucket on the bucket."
)
_TROUBLE: Final = (
    "the server answers {call} with HTTP status {status} ({code}).{words} Check {check}; if it is "
    "right, the server is in trouble."
)
