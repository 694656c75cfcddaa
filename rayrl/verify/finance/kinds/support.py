"""Whether a response names the figure by which a gold of words or of yes or no is supported."""

from collections.abc import Sequence
from typing import Literal

from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.agreement import agree
from rayrl.verify.finance.reading.amounts import Amount, amounts_in
from rayrl.verify.finance.reading.sentences import Sentence, sentences
from rayrl.verify.finance.reading.units import Unit
from rayrl.verify.finance.reading.words import content_words

BEFORE_FIGURE = 80
MAX_MARK = 20

Support = Literal["agrees", "conflicts", "silent"]


def own_figures(gold: Gold, question: str) -> list[Amount]:
    """The gold's figures that the question does not give."""
    given = {amount.value for sentence in sentences(question) for amount in sentence.amounts}
    figures = (amount for amount in amounts_in(gold.text, question) if amount.value not in given)
    return [figure for figure in figures if not (figure.year_like or _counts_off(figure))]


def _counts_off(amount: Amount) -> bool:
    """Whether it is the mark of a list within a sentence: `(1) this and (2) that`."""
    return amount.parenthesised and amount.bare and not amount.currency and -MAX_MARK <= amount.written <= 0


def is_same_kind(first: Amount, second: Amount) -> bool:
    money = (first.scaled or first.currency is not None, second.scaled or second.currency is not None)
    return first.percent == second.percent and money[0] == money[1]


def figure_support(listed: Sequence[Sentence], gold: Gold, question: str) -> Support:
    """Whether a response names the gold's first figure, or another one for the same metric.

    The metric is what question and gold both name just before the figure, as in `the quick ratio was 0.96`.
    """
    figures = own_figures(gold, question)
    if not figures:
        return "silent"
    figure = figures[0]
    before = gold.text[max(0, figure.start - BEFORE_FIGURE) : figure.start]
    metric = content_words(before) & content_words(question)
    rivals = False
    for sentence in listed:
        for amount in sentence.amounts:
            if agree(amount, figure, Unit(), sentence=sentence.text, approximate=True):
                return "agrees"
            near = content_words(sentence.text[max(0, amount.start - BEFORE_FIGURE) : amount.start])
            names_it = len(metric) > 1 and metric <= near
            rivals |= names_it and is_same_kind(amount, figure) and not amount.year_like
    return "conflicts" if rivals else "silent"
