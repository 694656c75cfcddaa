"""A gold of yes or no."""

from rayrl.types import Decider, Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, without_answer
from rayrl.verify.finance.kinds.support import figure_support
from rayrl.verify.finance.reading.polarity import says_yes


def judge_yes_no(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Whether a response says so too, and no other figure for the metric that the gold supports it with."""
    asked = question.text.partition(" If ")[0]
    yes = says_yes(answer.sentences, asked)
    support = figure_support(answer.sentences, gold, asked)
    if yes is None:
        if support == "agrees":
            return comparison(True, "neither yes nor no, but the gold's figure", decided_by="overlap")
        return without_answer("neither yes nor no")
    shown = "yes" if yes else "no"
    if yes == gold.yes and support == "conflicts":
        return comparison(False, f"{shown}, with another figure than the gold's", shown, "overlap")
    decider: Decider = "overlap" if support == "silent" and gold.amounts else "rules"
    return comparison(yes == gold.yes, shown, shown, decider)
