"""Documents to texts."""

from __future__ import annotations

from types import TracebackType

from chroma_sync.pipeline.extract.plain import decoded_text
from chroma_sync.pipeline.text import Text


class Extractor:
    """Makes texts of documents; a context manager, for one thread."""

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends what it has started."""

    def extract(self, key: str, data: bytes, encoding: str | None = None) -> Text:
        """The text of a document. `key` is its path, `encoding` what its source says of its bytes.
        Raises `NoText`."""
        return decoded_text(key, data, encoding)
