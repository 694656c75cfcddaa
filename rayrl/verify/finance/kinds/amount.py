"""A gold of one amount."""

from fractions import Fraction

from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, without_answer
from rayrl.verify.finance.kinds.date import asks_year, judge_date
from rayrl.verify.finance.kinds.statement import find_statement
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.programs import Incomputable, is_program, is_sum, run_program, run_sum


def _computed(text: str) -> Amount | None:
    """The value of an answer that is a program or a sum."""
    try:
        value = run_program(text) if is_program(text) else run_sum(text) if is_sum(text) else None
    except Incomputable:
        return None
    return None if value is None or isinstance(value, bool) else Amount(value, Fraction(1), Fraction(1, 10**9))


def judge_amount(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Whether a response states the gold's amount, or its date where a bare number may be a year."""
    wanted = gold.amounts[0]
    computed = _computed(answer.text)
    if computed is not None:
        correct = question.agrees(computed, wanted, approximate=gold.approximate)
        return comparison(correct, "computed", str(float(computed.value)))
    is_date = gold.date is not None and question.unit.factor is None
    if is_date and asks_year(question.text):
        return judge_date(answer, gold, question)
    found = find_statement(answer, question, wanted)
    if found is None:
        return judge_date(answer, gold, question) if is_date else without_answer("no amount of the gold's kind found")
    if found.hedged or found.is_range:
        kind = "a range" if found.is_range else "more than one value"
        return comparison(False, f"{found.how}: {kind}", found.shown)
    correct = any(
        question.agrees(amount, wanted, context=found.context, sentence=found.text, approximate=gold.approximate)
        for amount in found.most_exact
    )
    return comparison(correct, found.how, found.shown)
