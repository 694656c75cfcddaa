"""Is a financial answer the gold answer? Amounts, ranges, yes or no, 'cannot be answered', programs and free text.

Pure: no clock, no process, no network. Model output is text to search, never evaluated.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify.finance.agree import agree
from rayrl.verify.finance.amounts import Amount
from rayrl.verify.finance.gold import Gold, read_gold
from rayrl.verify.finance.overlap import figure_support, judge_text
from rayrl.verify.finance.polarity import says_yes
from rayrl.verify.finance.program import Incomputable, is_program, is_sum, run_program, run_sum
from rayrl.verify.finance.refusal import is_refusal
from rayrl.verify.finance.sentences import Sentence, sentences
from rayrl.verify.finance.stated import Stated, marked, stated
from rayrl.verify.finance.units import Unit, asked_unit
from rayrl.verify.text import shortened, to_ascii

MAX_CHARACTERS = 100_000
MAX_QUESTION = 10_000
MAX_OTHER_AMOUNTS = 4
LOW = "low confidence: "


def _verdict(correct: bool, reason: str, shown: str | None) -> Verdict:
    return Verdict(float(correct), "correct" if correct else "incorrect", reason, shortened(shown) if shown else None)


def _answer_part(response: str) -> str:
    """What follows the model's thoughts, where it marks them."""
    text = to_ascii(response)
    _, closed, after = text.rpartition("</think>")
    return after if closed and after.strip() else text


def _computed(text: str) -> Amount | None:
    """The value of an answer that is a program or a sum."""
    try:
        if is_program(text):
            value = run_program(text)
            return None if isinstance(value, bool) else Amount(value, Fraction(1), Fraction(1, 10**9))
        if is_sum(text):
            return Amount(run_sum(text), Fraction(1), Fraction(1, 10**9))
    except Incomputable:
        return None
    return None


def _one(text: str, gold: Gold, question: str, unit: Unit, relative: float | None) -> Verdict:
    """A gold of one amount."""
    wanted = gold.amounts[0]
    found: Stated | None = None
    answer = _computed((marked(text) or text).strip())
    if answer is None:
        found = stated(text, question, wanted, unit)
        if found is None:
            return Verdict(0.0, "unparseable", "no amount of the gold's kind found")
        if found.hedged or found.is_range:
            kind = "a range" if found.is_range else "more than one value"
            return _verdict(False, f"{found.how}: {kind}", found.shown)
    amounts = found.amounts if found else (answer,) if answer else ()
    correct = any(
        agree(
            amount,
            wanted,
            unit,
            context=found.context if found else None,
            sentence=found.text if found else "",
            question=question,
            approximate=gold.approximate,
            relative=relative,
        )
        for amount in amounts
    )
    return _verdict(correct, found.how if found else "computed", found.shown if found else str(float(amounts[0].value)))


def _several(listed: Sequence[Sentence], gold: Gold, question: str, unit: Unit, relative: float | None) -> Verdict:
    """A gold of several amounts: each has its own amount in the response, which names few others."""
    years = any(amount.year_like for amount in gold.amounts)
    pairs = [(amount, s.text) for s in listed for amount in s.amounts if years or not amount.year_like]
    if not pairs:
        return Verdict(0.0, "unparseable", "no amount found")
    used: list[int] = []
    for wanted in gold.amounts:
        for index, (amount, text) in enumerate(pairs):
            if index not in used and agree(amount, wanted, unit, sentence=text, question=question, relative=relative):
                used.append(index)
                break
    distinct = len({amount.value for amount, _ in pairs})
    missing = len(gold.amounts) - len(used)
    reason = f"{len(used)} of {len(gold.amounts)} values found"
    if not missing and distinct > 2 * len(gold.amounts) + MAX_OTHER_AMOUNTS:
        return _verdict(False, f"{reason} among {distinct}: too many to be an answer", None)
    return _verdict(not missing, reason, "; ".join(pairs[at][1][pairs[at][0].start : pairs[at][0].end] for at in used))


def _range(text: str, gold: Gold, question: str, unit: Unit, relative: float | None) -> Verdict:
    """A gold range: both ends must be stated as a range."""
    found = stated(text, question, gold.amounts[1], unit)
    if found is None:
        return Verdict(0.0, "unparseable", "no amount of the gold's kind found")
    if not found.is_range:
        return _verdict(False, f"{found.how}: no range", found.shown)
    low, high = found.amounts[0], found.amounts[-1]
    if low.bare and not high.bare:
        low = low.times(high.factor)
    correct = all(
        agree(given, wanted, unit, sentence=found.text, relative=relative)
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
        gold: An amount, several (`3; 5`), a range, yes or no (with a figure or not), 'cannot be answered', a FinQA
            program, or free text.
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
        question = to_ascii(question[:MAX_QUESTION])
        unit = asked_unit(question, scale)
        if tolerance is not None and not (math.isfinite(tolerance) and 0 <= tolerance < 1):
            raise DataError(f"tolerance {tolerance} is not between 0 and 1")
    except DataError as error:
        return Verdict(None, "error", str(error))
    if len(response) > MAX_CHARACTERS:
        return Verdict(0.0, "unparseable", f"{len(response)} characters long, more than {MAX_CHARACTERS}")
    text = _answer_part(response)
    if not text.strip():
        return Verdict(0.0, "unparseable", "empty")
    mark = marked(text)
    listed = sentences(mark or text, question)
    if is_refusal(listed):
        if wanted.kind == "refusal":
            return Verdict(1.0, "correct", "refusal, as the gold")
        return Verdict(0.0, "refusal", "says that it cannot answer")
    if wanted.kind == "refusal":
        return _verdict(False, "answers where the gold says that there is no answer", None)
    if wanted.kind == "range":
        return _range(text, wanted, question, unit, tolerance)
    if wanted.kind == "yes_no":
        return _yes_no(listed, wanted, question)
    if wanted.kind == "text":
        judged = judge_text(mark or text, listed, wanted, question)
        return _verdict(judged.correct, LOW + judged.reason, None)
    if len(wanted.amounts) > 1:
        return _several(listed, wanted, question, unit, tolerance)
    return _one(text, wanted, question, unit, tolerance)
