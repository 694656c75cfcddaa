"""Is a financial answer the gold answer? Amounts, ranges, dates, yes or no, 'cannot be answered', programs, free text.

Pure: no clock, no process, no network. Model output is text to search, never evaluated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold, read_gold
from rayrl.verify.finance.kinds.agreement import agree
from rayrl.verify.finance.kinds.date import asks_year, judge_date
from rayrl.verify.finance.kinds.statement import marked, stated
from rayrl.verify.finance.kinds.text import figure_support, judge_text
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.dates import Date
from rayrl.verify.finance.reading.latex import unlatex
from rayrl.verify.finance.reading.marks import with_what_stands_beside
from rayrl.verify.finance.reading.polarity import says_yes
from rayrl.verify.finance.reading.programs import Incomputable, is_program, is_sum, run_program, run_sum
from rayrl.verify.finance.reading.sentences import Sentence, sentences
from rayrl.verify.finance.reading.units import Unit, asked_unit
from rayrl.verify.finance.refusal.decision import is_refusal, names_what_is_missing
from rayrl.verify.text import after_thoughts, shortened, to_ascii, without_citations

MAX_CHARACTERS = 100_000
MAX_QUESTION = 10_000
MAX_OTHER_AMOUNTS = 4
LOW = "low confidence: "


def _verdict(correct: bool, reason: str, shown: str | None) -> Verdict:
    return Verdict(float(correct), "correct" if correct else "incorrect", reason, shortened(shown) if shown else None)


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of a response that answers: its text, that text's sentences, and whether it was marked."""

    text: str
    listed: list[Sentence]
    is_marked: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the question, the unit of bare numbers, a relative tolerance or None."""

    question: str
    unit: Unit
    relative: float | None

    def agrees(self, amount: Amount, wanted: Amount, **where: Any) -> bool:
        return agree(amount, wanted, self.unit, question=self.question, relative=self.relative, **where)


def _read(response: str, question: str) -> Answer:
    """What is marked in a response, or all of it; without the model's thoughts, where it marks them."""
    text = with_what_stands_beside(unlatex(after_thoughts(to_ascii(response))))
    mark = marked(text)
    part = (mark or text).strip()
    part = without_citations(part)
    return Answer(part, sentences(part, question), mark is not None)


def _computed(text: str) -> Amount | None:
    """The value of an answer that is a program or a sum."""
    try:
        value = run_program(text) if is_program(text) else run_sum(text) if is_sum(text) else False
    except Incomputable:
        return None
    return None if isinstance(value, bool) else Amount(value, Fraction(1), Fraction(1, 10**9))


def _date(answer: Answer, wanted: Date, asked: Asked) -> Verdict:
    """A gold that is a date or a period."""
    given = judge_date(answer.listed, wanted, asked.question)
    if given is None:
        return Verdict(0.0, "unparseable", "no date as precise as the gold found")
    return _verdict(given[0], "date", given[1])


def _one(answer: Answer, gold: Gold, asked: Asked) -> Verdict:
    """A gold of one amount."""
    wanted = gold.amounts[0]
    computed = _computed(answer.text)
    if computed is not None:
        correct = asked.agrees(computed, wanted, approximate=gold.approximate)
        return _verdict(correct, "computed", str(float(computed.value)))
    date = gold.date if asked.unit.factor is None else None
    if date and asks_year(asked.question):
        return _date(answer, date, asked)
    found = stated(answer.listed, answer.is_marked, asked.question, wanted, asked.unit)
    if found is None and date:
        return _date(answer, date, asked)
    if found is None:
        return Verdict(0.0, "unparseable", "no amount of the gold's kind found")
    if found.hedged or found.is_range:
        kind = "a range" if found.is_range else "more than one value"
        return _verdict(False, f"{found.how}: {kind}", found.shown)
    correct = any(
        asked.agrees(amount, wanted, context=found.context, sentence=found.text, approximate=gold.approximate)
        for amount in found.most_exact
    )
    return _verdict(correct, found.how, found.shown)


def _several(answer: Answer, gold: Gold, asked: Asked) -> Verdict:
    """A gold of several amounts: each has its own amount in the response, which names few others."""
    years = any(amount.year_like for amount in gold.amounts)
    pairs = [(amount, s.text) for s in answer.listed for amount in s.amounts if years or not amount.year_like]
    if not pairs:
        return Verdict(0.0, "unparseable", "no amount found")
    used: list[int] = []
    for wanted in gold.amounts:
        for index, (amount, text) in enumerate(pairs):
            if index not in used and asked.agrees(amount, wanted, sentence=text):
                used.append(index)
                break
    distinct = len({amount.value for amount, _ in pairs})
    missing = len(gold.amounts) - len(used)
    reason = f"{len(used)} of {len(gold.amounts)} values found"
    if not missing and distinct > 2 * len(gold.amounts) + MAX_OTHER_AMOUNTS:
        return _verdict(False, f"{reason} among {distinct}: too many to be an answer", None)
    return _verdict(not missing, reason, "; ".join(pairs[at][1][pairs[at][0].start : pairs[at][0].end] for at in used))


def _range(answer: Answer, gold: Gold, asked: Asked) -> Verdict:
    """A gold range: both ends must be stated as a range."""
    found = stated(answer.listed, answer.is_marked, asked.question, gold.amounts[1], asked.unit)
    if found is None:
        return Verdict(0.0, "unparseable", "no amount of the gold's kind found")
    if not found.is_range:
        return _verdict(False, f"{found.how}: no range", found.shown)
    low, high = found.amounts[0], found.amounts[-1]
    if low.bare and not high.bare:
        low = low.times(high.factor)
    correct = all(
        asked.agrees(given, wanted, sentence=found.text)
        for given, wanted in zip((low, high), gold.amounts, strict=True)
    )
    return _verdict(correct, f"{found.how}: range", found.shown)


def _yes_no(listed: Sequence[Sentence], gold: Gold, question: str) -> Verdict:
    """Yes or no, and no other figure for the metric that the gold supports it with."""
    asked = question.partition(" If ")[0]
    yes = says_yes(listed, asked)
    support = figure_support(listed, gold, asked)
    if yes is None:
        if support == "agrees":
            return _verdict(True, f"{LOW}neither yes nor no, but the gold's figure", None)
        return Verdict(0.0, "unparseable", "neither yes nor no")
    shown = "yes" if yes else "no"
    if yes == gold.yes and support == "conflicts":
        return _verdict(False, f"{LOW}{shown}, with another figure than the gold's", shown)
    return _verdict(yes == gold.yes, f"{LOW if support == 'silent' and gold.amounts else ''}{shown}", shown)


def verify(
    response: str, gold: str, *, question: str = "", scale: str | None = None, tolerance: float | None = None
) -> Verdict:
    """Compares the answer of a response with the gold answer.

    Args:
        response: What the model wrote: any text at all.
        gold: An amount, several (`3; 5`), a range, a date or period, yes or no (with a figure or not), 'cannot be
            answered', a FinQA program, or free text.
        question: Tells which unit is asked for, and which figures and words are given.
        scale: A data set's word for the gold's unit: thousand, million, billion, percent, bps.
        tolerance: Relative tolerance in place of the one from the gold's own precision, such as 0.01.

    Returns:
        correct 1.0; incorrect 0.0; refusal 0.0; unparseable 0.0 (no answer, or longer than `MAX_CHARACTERS`); error
        with score None where the gold, `scale` or `tolerance` cannot be used. A reason that starts with
        'low confidence' is a verdict on free text by overlap.
    """
    try:
        wanted = read_gold(gold)
        question = unlatex(to_ascii(question[:MAX_QUESTION]))
        unit = asked_unit(question, scale)
        if tolerance is not None and not (math.isfinite(tolerance) and 0 <= tolerance < 1):
            raise DataError(f"tolerance {tolerance} is not between 0 and 1")
    except DataError as error:
        return Verdict(None, "error", str(error))
    if len(response) > MAX_CHARACTERS:
        return Verdict(0.0, "unparseable", f"{len(response)} characters long, more than {MAX_CHARACTERS}")
    if not response.strip():
        return Verdict(0.0, "unparseable", "empty")
    answer, asked = _read(response, question), Asked(question, unit, tolerance)
    if is_refusal(answer.listed):
        if wanted.kind == "refusal":
            return Verdict(1.0, "correct", "refusal, as the gold")
        return Verdict(0.0, "refusal", "says that it cannot answer")
    verdict = _compared(answer, wanted, asked)
    if verdict.status == "unparseable" and names_what_is_missing(answer.listed):
        return Verdict(0.0, "refusal", f"{verdict.reason}, and something is said to be missing")
    return verdict


def _compared(answer: Answer, gold: Gold, asked: Asked) -> Verdict:
    """What an answer that is no refusal is worth."""
    match gold.kind:
        case "refusal":
            return _verdict(False, "answers where the gold says that there is no answer", None)
        case "range":
            return _range(answer, gold, asked)
        case "yes_no":
            return _yes_no(answer.listed, gold, asked.question)
        case "date":
            assert gold.date is not None
            return _date(answer, gold.date, asked)
        case "text":
            judged = judge_text(answer.text, answer.listed, gold, asked.question)
            return _verdict(judged.correct, LOW + judged.reason, None)
        case "amounts":
            return (_several if len(gold.amounts) > 1 else _one)(answer, gold, asked)
