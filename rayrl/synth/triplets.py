"""Question, answer and evidence on one chunk: what every writer returns, and how a language model's JSON is read."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Protocol, get_args

from rayrl.errors import DataError
from rayrl.synth.chunks import Chunk
from rayrl.synth.settings import QuestionClass

REFUSAL = "This cannot be answered from the context."
CLASSES: tuple[QuestionClass, ...] = get_args(QuestionClass)


@dataclass(frozen=True, slots=True)
class Triplet:
    """One question on a chunk. kind: its class. evidence: passages of the chunk, word for word; none where the question
    is unanswerable. steps: how the answer is worked out, or empty."""

    kind: QuestionClass
    question: str
    answer: str
    evidence: tuple[str, ...] = ()
    steps: str = ""

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"

    def record(self) -> dict[str, Any]:
        return asdict(self) | {"evidence": list(self.evidence)}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Triplet":
        return cls(**record | {"evidence": tuple(record["evidence"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a writer made of one chunk. failures: why a reply, or a question in it, could not be used."""

    triplets: list[Triplet]
    failures: list[str]
    replies: int = 0


class Writer(Protocol):
    """Writes questions on chunks."""

    async def write(self, chunk: Chunk) -> Outcome:
        """Questions on one chunk.

        Raises:
            RayrlError: The writer itself cannot go on (service away, generator dead); the run ends and can go on later.
        """


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "class": {"type": "string", "enum": list(CLASSES)},
                    "question": {"type": "string"},
                    "steps": {"type": "string"},
                    "answer": {"type": "string"},
                    "evidence": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["class", "question", "steps", "answer", "evidence"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["questions"],
    "additionalProperties": False,
}
"""JSON schema of a language model's reply."""
_FIELDS = {"class": str, "question": str, "steps": str, "answer": str, "evidence": list}
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")


def parse_reply(reply: str) -> tuple[list[Triplet], list[str]]:
    """Questions of a reply, and the faults of those that are not as `SCHEMA` says. A code fence around it is taken off.

    Raises:
        DataError: The reply as a whole is not JSON of that shape.
    """
    _, thought, after = reply.rpartition("</think>")
    text = after if thought else reply
    fence = _FENCE.match(text)
    try:
        tree = json.loads(fence[1] if fence else text)
    except (ValueError, RecursionError) as error:
        raise DataError("reply is not JSON") from error
    questions = tree.get("questions") if isinstance(tree, dict) else None
    if not isinstance(questions, list):
        raise DataError("reply has no list 'questions'")
    triplets, faults = [], []
    for item in questions:
        fault = _fault(item)
        if fault:
            faults.append(fault)
            continue
        unanswerable = item["class"] == "unanswerable"
        triplets.append(
            Triplet(
                item["class"],
                item["question"].strip(),
                REFUSAL if unanswerable else item["answer"].strip(),
                () if unanswerable else tuple(part.strip() for part in item["evidence"] if part.strip()),
                "" if unanswerable else item["steps"].strip(),
            )
        )
    return triplets, faults


def _fault(item: object) -> str | None:
    if not isinstance(item, dict):
        return "question is no object"
    item.setdefault("steps", "")
    for field, kind in _FIELDS.items():
        if not isinstance(item.get(field), kind):
            return f"question has no {field} of the right type"
    if item["class"] not in CLASSES:
        return "question has an unknown class"
    if not all(isinstance(part, str) for part in item["evidence"]):
        return "question has evidence that is no text"
    if not item["question"].strip() or not item["answer"].strip():
        return "question or answer is empty"
    if _HALF.search("".join((item["question"], item["steps"], item["answer"], *item["evidence"]))):
        return "question has half a character (a lone surrogate)"
    return None
