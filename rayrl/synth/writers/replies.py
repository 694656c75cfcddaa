"""A language model's reply: its JSON schema, and how it is read."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rayrl.errors import DataError
from rayrl.synth.settings import QuestionClass
from rayrl.synth.triplets import REFUSAL, Triplet
from rayrl.verify.text import after_thoughts

_CLOSED = ConfigDict(strict=True, str_strip_whitespace=True, json_schema_extra={"additionalProperties": False})


def _filled(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


class _Question(BaseModel):
    model_config = _CLOSED
    kind: QuestionClass = Field(alias="class")
    question: Annotated[str, AfterValidator(_filled)]
    steps: str
    answer: Annotated[str, AfterValidator(_filled)]
    evidence: list[str]


class _Reply(BaseModel):
    model_config = _CLOSED
    questions: list[_Question]


SCHEMA: dict[str, Any] = _Reply.model_json_schema()
"""JSON schema of a reply."""
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


def parse_reply(reply: str) -> tuple[list[Triplet], list[str]]:
    """Questions of a reply, and the faults of those that are not as `SCHEMA` says. A code fence around it is taken off.

    Raises:
        DataError: The reply as a whole is not JSON of that shape.
    """
    text = after_thoughts(reply)
    fence = _FENCE.match(text)
    try:
        tree = json.loads(fence[1] if fence else text)
    except (ValueError, RecursionError) as error:
        raise DataError("reply is not JSON") from error
    items = tree.get("questions") if isinstance(tree, dict) else None
    if not isinstance(items, list):
        raise DataError("reply has no list 'questions'")
    triplets, faults = [], []
    for item in items:
        try:
            triplets.append(
                _triplet(_Question.model_validate({"steps": ""} | item if isinstance(item, dict) else item))
            )
        except ValidationError as error:
            first = error.errors()[0]
            field = first["loc"][0] if first["loc"] else "question"
            faults.append(f"question cannot be used: {field}: {first['msg']}")
    return triplets, faults


def _triplet(question: _Question) -> Triplet:
    if question.kind == "unanswerable":
        return Triplet(question.kind, question.question, REFUSAL)
    evidence = tuple(filter(None, question.evidence))
    return Triplet(question.kind, question.question, question.answer, evidence, question.steps)
