"""What each kind of gold is compared with: the part of a response that answers, and what was asked."""

from dataclasses import dataclass
from typing import Any

from rayrl.types import Decider, Status, Verdict
from rayrl.verify.finance.kinds.agreement import agree
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.latex import unlatex
from rayrl.verify.finance.reading.marks import marked_part, with_neighbors
from rayrl.verify.finance.reading.sentences import Sentence, sentences
from rayrl.verify.finance.reading.units import Unit
from rayrl.verify.text import after_thoughts, shortened, to_ascii, without_citations


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of a response that answers: its text, that text's sentences, and whether it was marked."""

    text: str
    sentences: list[Sentence]
    is_marked: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: its text, the unit of bare numbers, a relative tolerance or None."""

    text: str
    unit: Unit
    relative: float | None

    def agrees(self, amount: Amount, wanted: Amount, **where: Any) -> bool:
        return agree(amount, wanted, self.unit, question=self.text, relative=self.relative, **where)


def read_answer(response: str, question: str) -> Answer:
    """What is marked in a response, or all of it; without the model's thoughts, where it marks them."""
    text = with_neighbors(unlatex(after_thoughts(to_ascii(response))))
    mark = marked_part(text)
    part = without_citations((mark or text).strip())
    return Answer(part, sentences(part, question), mark is not None)


def comparison(correct: bool, reason: str, shown: str | None = None, decided_by: Decider = "rules") -> Verdict:
    """The verdict on an answer that was found. shown: what the response gives."""
    status: Status = "correct" if correct else "incorrect"
    return Verdict(float(correct), status, reason, shortened(shown) if shown else None, decided_by)


def without_answer(reason: str) -> Verdict:
    """The verdict on a response in which no answer was found."""
    return Verdict(0.0, "unparseable", reason)
