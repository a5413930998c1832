"""Why an object is in its state: one closed list for conditions, events and pods' results."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of conditions. Where the hosted product has a word, it is used."""

    # How a run goes.
    PENDING = "Pending"  # not yet looked at, or other runs of its Source go first
    PROCESSING = "Processing"  # pods are at work
    COMPLETE = "Complete"  # every document is in the collection
    COMPLETE_WITH_FAILURES = "CompleteWithFailures"  # some documents failed, by their own fault
    CANCELLED = "Cancelled"  # stopped on request
    # What a run waits for.
    SOURCE_NOT_FOUND = "SourceNotFound"  # there is no Source of that name in the namespace
    SOURCE_NOT_READY = "SourceNotReady"  # the Source's own condition says why
    SUSPENDED = "Suspended"  # the Source lets no run start
    QUEUED = "Queued"  # a queue such as Kueue, or a person, holds the Job (spec.suspend)
    # How a check goes.
    CHECKING = "Checking"  # a new or changed Source is being looked at
    AVAILABLE = "Available"  # runs can use the Source
    TERMINATING = "Terminating"  # the Source is being deleted
    # What a person must change.
    NOT_ALLOWED = "NotAllowed"  # the installation does not list a host or service account
    INVALID_SPEC = "InvalidSpec"  # the API server took a spec that this release can't read
    NEWER_RELEASE = "NewerRelease"  # it needs what only a newer release knows
    NOT_IMPLEMENTED = "NotImplemented"  # a field is set that no code serves yet
    INVALID_FOR_SOURCE = "InvalidForSource"  # the Invocation does not fit its Source
    MODEL_NOT_SERVED = "ModelNotServed"  # no TEI server of the installation has the model
    SPARSE_NOT_SUPPORTED = "SparseNotSupported"  # this Chroma takes no sparse vectors
    DATABASE_NOT_FOUND = "DatabaseNotFound"  # the Chroma database does not exist
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"  # not there, or hidden from these credentials
    REPOSITORY_MOVED = "RepositoryMoved"  # it has another name or another host now
    REPOSITORY_CORRUPT = "RepositoryCorrupt"  # the commit holds what git can't read
    BUCKET_NOT_FOUND = "BucketNotFound"  # there is no bucket of that name
    OBJECT_NOT_FOUND = "ObjectNotFound"  # the bucket has no object of that key
    WRONG_REGION = "WrongRegion"  # the bucket is in another region, which could not be followed
    REF_NOT_FOUND = "RefNotFound"  # the repository has no such branch or commit
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - the Secret, or its key, is not there
    CREDENTIALS_MISSING = "CredentialsMissing"  # no Secret is named, and the pod brings none itself
    CREDENTIALS_REJECTED = "CredentialsRejected"  # a server does not take what the Secret holds
    SERVICE_ACCOUNT_TOKEN = "ServiceAccountToken"  # noqa: S105 - a token of Kubernetes: sent nowhere
    PERMISSION_MISSING = "PermissionMissing"  # the credentials are good, but not for reading this
    KMS_DENIED = "KmsDenied"  # the credentials may not use the key that the data is encrypted with
    SSO_REQUIRED = "SsoRequired"  # the organization wants the token to be authorized for its SSO
    APP_NOT_INSTALLED = "AppNotInstalled"  # the GitHub App may not read the repository
    APP_SUSPENDED = "AppSuspended"  # the GitHub App's installation is suspended
    APP_KEY_INVALID = "AppKeyInvalid"  # the private key is no key, or not this GitHub App's
    CLOCK_SKEW = "ClockSkew"  # the clock here and that of the host differ too much
    CERTIFICATE_NOT_TRUSTED = "CertificateNotTrusted"  # the host's certificate is not trusted here
    COLLECTION_ALREADY_INGESTED = "CollectionAlreadyIngested"  # the target is finished already
    COLLECTION_OWNED_BY_ANOTHER = "CollectionOwnedByAnother"  # the target is not this Source's
    COLLECTION_MODEL_MISMATCH = "CollectionModelMismatch"  # the target is made by another model
    EMBEDDING_MISMATCH = "EmbeddingMismatch"  # the model gives other vectors than the target has
    WOULD_REMOVE_TOO_MUCH = "WouldRemoveTooMuch"  # over spec.maxDeletePercent of the documents
    RUN_LOST = "RunLost"  # another run took the collection, or someone deleted it
    TOO_MANY_REFUSED = "TooManyRefused"  # the embedding server takes too few of the documents
    # What is down for now.
    CHROMA_UNAVAILABLE = "ChromaUnavailable"  # the Chroma server does not answer, or fails
    EMBEDDING_UNAVAILABLE = "EmbeddingUnavailable"  # the TEI server does not answer, or fails
    HOST_UNREACHABLE = "HostUnreachable"  # the host of the data does not answer, or fails
    SCRATCH_FULL = "ScratchFull"  # the disk that a worker writes to has no room left
    RATE_LIMITED = "RateLimited"  # the host of the data asks to wait
    # What Kubernetes says of the pods.
    JOB_REFUSED = "JobRefused"  # the API server does not take the Job: a field, a quota, a policy
    POD_REFUSED = "PodRefused"  # it takes no pod of the Job: a quota, a LimitRange, a policy
    IMAGE_PULL_FAILED = "ImagePullFailed"  # the worker's image can't be had
    UNSCHEDULABLE = "Unschedulable"  # no node takes the pod
    OUT_OF_MEMORY = "OutOfMemory"  # the worker went over its memory limit
    DEADLINE_EXCEEDED = "DeadlineExceeded"  # the run took longer than its Source allows
    POD_FAILED = "PodFailed"  # the pod ended or can't start, for a reason of no own name
    INTERNAL_ERROR = "InternalError"  # a fault of the program


class DocumentReason(StrEnum):
    """Why one document was skipped or failed. The same bytes would give the same again."""

    EMPTY = "Empty"  # no bytes, or no text in it
    BINARY = "Binary"  # not a text
    NOT_UTF8 = "NotUtf8"  # a text in another encoding
    NAME_NOT_UTF8 = "NameNotUtf8"  # its name is in another encoding
    INVALID_NAME = "InvalidName"  # no file can have its name: it has an empty part, `.` or `..`
    DUPLICATE = "Duplicate"  # the same name stands in the listing before it
    ID_TAKEN = "IdTaken"  # its records would have the ids of another document's
    OUT_OF_SCOPE = "OutOfScope"  # its own key, known once it is read, lies outside of the run
    GONE = "Gone"  # it was listed, and was there no longer when it was to be read
    ARCHIVED = "Archived"  # it lies in an archive and must be restored before it can be read
    ACCESS_DENIED = "AccessDenied"  # the credentials may read others, but not this one
    KMS_DENIED = "KmsDenied"  # the credentials may not use the key that it is encrypted with
    TOO_LARGE = "TooLarge"  # over the most bytes of a document that are read
    LFS_POINTER = "LfsPointer"  # the text stands for a file in Git LFS
    ANNEX_POINTER = "AnnexPointer"  # the text stands for a file in git-annex
    GENERATED = "Generated"  # made by a tool, as .gitattributes, its name or its text says
    VENDORED = "Vendored"  # copied from elsewhere, as .gitattributes, its name or its text says
    ENCODED_DATA = "EncodedData"  # mostly base64, hexadecimal digits or paths of drawings
    MALFORMED = "Malformed"  # not what its name says it is, such as a notebook that is no JSON
    NOT_INSTALLED = "NotInstalled"  # what reads it, or the data for its language, is not installed
    ENCRYPTED = "Encrypted"  # it opens with a password only
    DRM_PROTECTED = "DrmProtected"  # only a licensed reader opens it
    TOO_MANY_PAGES = "TooManyPages"  # more pages than are read
    EXTRACTION_TIMED_OUT = "ExtractionTimedOut"  # its text takes too long to get at
    EXTRACTION_OUT_OF_MEMORY = "ExtractionOutOfMemory"  # its text takes too much memory to get at
    EXTRACTION_CRASHED = "ExtractionCrashed"  # what reads it breaks off
    EXTRACTED_TOO_LARGE = "ExtractedTooLarge"  # its text, or its number of parts, is too large
    SYMLINK = "Symlink"  # a link to another file
    SUBMODULE = "Submodule"  # a commit of another repository
    EMBEDDING_REJECTED = "EmbeddingRejected"  # the model does not take one of its texts
    RECORD_REJECTED = "RecordRejected"  # Chroma does not take one of its records
