"""Why an object is in its state: one closed list for conditions, events and pods' results."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of conditions. Where the hosted product has a word, it is used."""

    # How a run goes.
    PENDING = "Pending"  # not yet looked at, or waiting for its turn
    PROCESSING = "Processing"  # pods are at work
    COMPLETE = "Complete"
    COMPLETE_WITH_FAILURES = "CompleteWithFailures"  # some documents failed, by their own fault
    CANCELLED = "Cancelled"
    # What a run waits for.
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_NOT_READY = "SourceNotReady"
    SUSPENDED = "Suspended"
    # How a check goes.
    CHECKING = "Checking"
    AVAILABLE = "Available"
    # What a person must change.
    NOT_IMPLEMENTED = "NotImplemented"  # a field is set that no code serves yet
    INVALID_FOR_SOURCE = "InvalidForSource"  # the Invocation does not fit its Source
    MODEL_NOT_SERVED = "ModelNotServed"
    SPARSE_NOT_SUPPORTED = "SparseNotSupported"
    DATABASE_NOT_FOUND = "DatabaseNotFound"
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    REF_NOT_FOUND = "RefNotFound"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason
    CREDENTIALS_REJECTED = "CredentialsRejected"
    COLLECTION_ALREADY_INGESTED = "CollectionAlreadyIngested"
    COLLECTION_OWNED_BY_ANOTHER = "CollectionOwnedByAnother"
    COLLECTION_MODEL_MISMATCH = "CollectionModelMismatch"
    RUN_LOST = "RunLost"  # another run took the collection, or someone deleted it
    # What is down for now.
    CHROMA_UNAVAILABLE = "ChromaUnavailable"
    EMBEDDING_UNAVAILABLE = "EmbeddingUnavailable"
    HOST_UNREACHABLE = "HostUnreachable"
    # What Kubernetes says of the pods.
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    POD_FAILED = "PodFailed"
    INTERNAL_ERROR = "InternalError"


class DocumentReason(StrEnum):
    """Why one document was skipped or failed. The same bytes would give the same again."""

    EMPTY = "Empty"
    BINARY = "Binary"
    NOT_UTF8 = "NotUtf8"
    TOO_LARGE = "TooLarge"
    LFS_POINTER = "LfsPointer"
    SYMLINK = "Symlink"
    SUBMODULE = "Submodule"
    EMBEDDING_REJECTED = "EmbeddingRejected"
