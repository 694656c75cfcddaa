"""A gold of several amounts."""

from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, without_answer

MAX_OTHER_AMOUNTS = 4


def judge_several(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Whether each amount of the gold has its own amount in the response, which names few others."""
    years = any(amount.year_like for amount in gold.amounts)
    pairs = [(amount, s.text) for s in answer.sentences for amount in s.amounts if years or not amount.year_like]
    if not pairs:
        return without_answer("no amount found")
    used: list[int] = []
    for wanted in gold.amounts:
        for index, (amount, text) in enumerate(pairs):
            if index not in used and question.agrees(amount, wanted, sentence=text):
                used.append(index)
                break
    distinct = len({amount.value for amount, _ in pairs})
    missing = len(gold.amounts) - len(used)
    reason = f"{len(used)} of {len(gold.amounts)} values found"
    if not missing and distinct > 2 * len(gold.amounts) + MAX_OTHER_AMOUNTS:
        return comparison(False, f"{reason} among {distinct}: too many to be an answer")
    shown = "; ".join(text[amount.start : amount.end] for amount, text in (pairs[at] for at in used))
    return comparison(not missing, reason, shown)
