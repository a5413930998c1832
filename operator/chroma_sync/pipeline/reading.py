"""From a document's bytes to the text that is indexed, or to the verdict why not: what fetch says
of bytes and of texts, with extraction between the two."""

from __future__ import annotations

from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import Body
from chroma_sync.pipeline.extract import Extractor, NoText
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.fetch.content import bytes_verdict, text_verdict
from chroma_sync.pipeline.text import Text

# Part of every record's `document_state`: bump it when the same bytes come out as another text, or
# have another verdict. Documents that stand are then read again, and go if they are skipped now.
TEXT_RULE_VERSION: Final = "3"


def text_of(ref: Ref, body: Body, extractor: Extractor) -> Text | DocumentReason:
    """The text of a document, or why it is skipped. Raises what `Extractor.extract` does."""
    verdict = bytes_verdict(body)
    if verdict is not None:
        return verdict
    try:
        text = extractor.extract(ref.key, body, encoding=ref.encoding, media_type=ref.media_type)
    except NoText as error:
        return error.reason
    return text_verdict(ref, text.data) or text
