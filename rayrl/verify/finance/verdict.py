"""Is a financial answer the gold answer? Amounts, ranges, dates, yes or no, 'cannot be answered', programs, free text.

Pure: no clock, no process, no network. Model output is text to search, never evaluated.
"""

import math
from collections.abc import Callable

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold, Kind, read_gold
from rayrl.verify.finance.kinds.amount import judge_amount
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, read_answer, without_answer
from rayrl.verify.finance.kinds.date import judge_date
from rayrl.verify.finance.kinds.range import judge_range
from rayrl.verify.finance.kinds.several import judge_several
from rayrl.verify.finance.kinds.text import judge_text
from rayrl.verify.finance.kinds.yes_no import judge_yes_no
from rayrl.verify.finance.reading.latex import unlatex
from rayrl.verify.finance.reading.units import asked_unit
from rayrl.verify.finance.refusal.decision import find_missing, find_refusal
from rayrl.verify.text import gold_text, to_ascii

MAX_CHARACTERS = 100_000
MAX_QUESTION = 10_000


def _judge_amounts(answer: Answer, gold: Gold, question: Question) -> Verdict:
    return (judge_several if len(gold.amounts) > 1 else judge_amount)(answer, gold, question)


def _judge_refusal(answer: Answer, gold: Gold, question: Question) -> Verdict:
    return comparison(False, "answers where the gold says that there is no answer")


_JUDGES: dict[Kind, Callable[[Answer, Gold, Question], Verdict]] = {
    "amounts": _judge_amounts,
    "range": judge_range,
    "yes_no": judge_yes_no,
    "refusal": _judge_refusal,
    "date": judge_date,
    "text": judge_text,
}


def _share(tolerance: float | str) -> float:
    """A tolerance, which a table of text may hold, as a number."""
    try:
        share = float(tolerance)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share < 1:
        raise DataError(f"tolerance {tolerance!r} is not a number between 0 and 1")
    return share


def verify(
    response: str, gold: str, *, question: str = "", scale: str | None = None, tolerance: float | str | None = None
) -> Verdict:
    """Compares the answer of a response with the gold answer.

    Args:
        response: What the model wrote: any text at all.
        gold: An amount, several (`3; 5`), a range, a date or period, yes or no (with a figure or not), 'cannot be
            answered', a FinQA program, or free text.
        question: Tells which unit is asked for, and which figures and words are given.
        scale: A data set's word for the gold's unit: thousand, million, billion, percent, bps.
        tolerance: Relative tolerance in place of the one from the gold's own precision, such as 0.01 or '0.01'.

    Returns:
        correct 1.0; incorrect 0.0; refusal 0.0; unparseable 0.0 (no answer, or longer than `MAX_CHARACTERS`); error
        with score None where the gold, `scale` or `tolerance` cannot be used. The reason of a refusal names its rule.
        Free text, and a yes or no that its figure does not bear out, is decided by overlap.
    """
    try:
        wanted = read_gold(gold)
        question = unlatex(to_ascii(gold_text(question)[:MAX_QUESTION]))
        unit = asked_unit(question, scale)
        tolerance = None if tolerance is None else _share(tolerance)
    except DataError as error:
        return Verdict(None, "error", str(error))
    if len(response) > MAX_CHARACTERS:
        return without_answer(f"{len(response)} characters long, more than {MAX_CHARACTERS}")
    if not response.strip():
        return without_answer("empty")
    answer = read_answer(response, question)
    rule = find_refusal(answer.sentences)
    if rule is not None and wanted.kind == "refusal":
        return comparison(True, f"refusal, as the gold: {rule}")
    if rule is not None:
        return Verdict(0.0, "refusal", f"says that it cannot answer: {rule}")
    verdict = _JUDGES[wanted.kind](answer, wanted, Question(question, unit, tolerance))
    if verdict.status == "unparseable" and (rule := find_missing(answer.sentences)) is not None:
        return Verdict(0.0, "refusal", f"{verdict.reason}, and something is said to be missing: {rule}")
    return verdict
