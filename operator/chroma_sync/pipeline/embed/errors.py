"""How embedding fails. No message ever holds a token, and none holds a text."""

from __future__ import annotations

from typing import Literal


class EmbeddingUnavailable(Exception):
    """Temporary: the server was in trouble for the whole retry budget. The step exits with 75."""


class EmbeddingRejected(Exception):
    """Permanent, and about one text: the same bytes would be refused again.

    `index` is the text's place in the list that was given to the call that raised.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class EmbeddingMisconfigured(Exception):
    """A person must act: another model is served, a token is refused, the server is no TEI."""

    def __init__(
        self, message: str, reason: Literal["ModelNotServed", "CredentialsRejected"]
    ) -> None:
        super().__init__(message)
        self.reason = reason


class TextTooLong(Exception):
    """One text has more tokens than the model takes. `embed_long` cuts it and never lets this out.

    `index` is the text's place in the list that was given to `Model.embed`.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index
