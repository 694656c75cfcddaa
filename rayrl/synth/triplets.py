"""Question, answer and evidence on one chunk: what every writer returns."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol, get_args

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
