"""How embedding fails. No message ever holds a token, and none holds a text."""

from __future__ import annotations

from collections.abc import Mapping

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import DocumentError, Misconfigured, Temporary


class EmbeddingUnavailable(Temporary):
    """The server was in trouble for the whole retry budget."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.EMBEDDING_UNAVAILABLE, message)


class EmbeddingMisconfigured(Misconfigured):
    """Another model is served, a token is refused, the server is no TEI."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(reason, message)


class EmbeddingRejected(DocumentError):
    """Permanent, and about some texts: the same bytes would be refused again, though the server is
    well. `refused` says why of each, by its place in the list that was given to the call."""

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(DocumentReason.EMBEDDING_REJECTED, next(iter(refused.values())))
        self.refused = dict(refused)


class TextTooLong(DocumentError):
    """One text has more tokens than the model takes. `embed_long` cuts it and never lets this out.

    `index` is the text's place in the list that was given to `Model.embed`.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(DocumentReason.EMBEDDING_REJECTED, message)
        self.index = index
