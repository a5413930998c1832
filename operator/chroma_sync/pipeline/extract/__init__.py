"""Makes a text of a document, and says what its parts are."""

from chroma_sync.pipeline.extract.errors import NoText, NotExtracted
from chroma_sync.pipeline.extract.extractor import Extractor
from chroma_sync.pipeline.extract.languages import language_of
from chroma_sync.pipeline.extract.plain import as_text

__all__ = ["Extractor", "NoText", "NotExtracted", "as_text", "language_of"]
