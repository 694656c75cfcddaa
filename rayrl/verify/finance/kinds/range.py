"""A gold that is a range."""

from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, without_answer
from rayrl.verify.finance.kinds.statement import find_statement


def judge_range(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Whether a response states both ends of the gold as a range."""
    found = find_statement(answer, question, gold.amounts[1])
    if found is None:
        return without_answer("no amount of the gold's kind found")
    if not found.is_range:
        return comparison(False, f"{found.how}: no range", found.shown)
    low, high = found.amounts[0], found.amounts[-1]
    if low.bare and not high.bare:
        low = low.times(high.factor)
    correct = all(
        question.agrees(given, wanted, sentence=found.text)
        for given, wanted in zip((low, high), gold.amounts, strict=True)
    )
    return comparison(correct, f"{found.how}: range", found.shown)
