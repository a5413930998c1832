"""What TEI answers: bodies and refusals, without any HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """One answer. No content type: an empty body."""

    status: int
    content_type: str | None
    body: bytes


class Refused(Exception):
    """Carries an answer out of the depths."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def ok(value: Any) -> Answer:
    # Numbers as TEI writes them: the shortest text that is the same float32.
    return Answer(200, JSON, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def empty(status: int) -> Answer:
    return Answer(status, None, b"")


def text(status: int, message: str) -> Answer:
    return Answer(status, TEXT, message.encode())


def error(status: int, kind: str, message: str, *, openai: bool = False) -> Answer:
    """A JSON error in the form of TEI's own routes, or of its OpenAI route."""
    if openai:
        body: dict[str, Any] = {"message": message, "code": status, "type": kind}
    else:
        body = {"error": message, "error_type": kind}
    return Answer(status, JSON, orjson.dumps(body))


def overloaded() -> Answer:
    return error(429, "Overloaded", "Model is overloaded")


def validation(message: str, *, openai: bool = False) -> Refused:
    return Refused(error(422, "Validation", message, openai=openai))


def too_many_inputs(limit: int, given: int, *, openai: bool = False) -> Refused:
    message = f"batch size {given} > maximum allowed batch size {limit}"
    return validation(message, openai=openai)


def too_many_tokens(limit: int, given: int, *, openai: bool) -> Refused:
    message = f"Input validation error: `inputs` must have less than {limit} tokens. Given: {given}"
    return validation(message, openai=openai)


def too_long(limit: int, given: int, *, openai: bool = False) -> Refused:
    message = (
        f"Input validation error: `inputs` must have less than {limit} characters. Given: {given}"
    )
    return validation(message, openai=openai)


def no_input(*, openai: bool = False) -> Refused:
    message = "Input validation error: `inputs` cannot be empty"
    return Refused(error(400, "Empty", message, openai=openai))


def malformed(problem: str, line: int, column: int, field: str = "") -> Refused:
    where = f"{field}: " if field else ""
    return Refused(
        text(
            400,
            f"Failed to parse the request body as JSON: {where}{problem} "
            f"at line {line} column {column}",
        )
    )


def wrong_type(problem: str, column: int) -> Refused:
    return Refused(
        text(
            422,
            "Failed to deserialize the JSON body into the target type: "
            f"{problem} at line 1 column {column}",
        )
    )
