"""Verdicts on free text by what it shares with the gold: figures first, then words. Deterministic, low confidence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.agreement import agree
from rayrl.verify.finance.reading.amounts import Amount, amounts_in
from rayrl.verify.finance.reading.polarity import affirms, stance, trend
from rayrl.verify.finance.reading.sentences import Sentence, sentences
from rayrl.verify.finance.reading.units import Unit
from rayrl.verify.finance.reading.words import content_words

NEEDED_WORDS = 0.35
NEEDED_SHORT = 0.5
SHORT_GOLD = 3
READ_CHARACTERS = 4000
BEFORE_FIGURE = 80
MAX_MARK = 20

_BEFORE_FIGURE = re.compile(r"^(.*?)\s*(?:[,:(-]\s*(?:(?:at|with)\s+)?|\b(?:at|with)\s+)$")
_ASKS_NAME = re.compile(
    r"\b(?:which|who|whose|whom|where|name|identify|what\s+(?!is|was|are|were|did|does|do|drove|would|will|caused?)\w+)\b",
    re.IGNORECASE,
)
_ASKS_FIGURE = re.compile(r"\bhow\s+(?:much|many|large|high)\b", re.IGNORECASE)

Support = Literal["agrees", "conflicts", "silent"]


@dataclass(frozen=True, slots=True)
class Judged:
    correct: bool
    reason: str


def _figures(gold: Gold, question: str) -> list[Amount]:
    """The gold's figures that the question does not give."""
    given = {amount.value for sentence in sentences(question) for amount in sentence.amounts}
    figures = (amount for amount in amounts_in(gold.text, question) if amount.value not in given)
    return [figure for figure in figures if not (figure.year_like or _counts_off(figure))]


def _counts_off(amount: Amount) -> bool:
    """Whether it is the mark of a list within a sentence: `(1) this and (2) that`."""
    return amount.parenthesised and amount.bare and not amount.currency and -MAX_MARK <= amount.written <= 0


def _same_kind(first: Amount, second: Amount) -> bool:
    money = (first.scaled or first.currency is not None, second.scaled or second.currency is not None)
    return first.percent == second.percent and money[0] == money[1]


def figure_support(listed: Sequence[Sentence], gold: Gold, question: str) -> Support:
    """Whether a response names the gold's first figure, or another one for the same metric.

    The metric is what question and gold both name just before the figure, as in `the quick ratio was 0.96`.
    """
    figures = _figures(gold, question)
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
            rivals |= names_it and _same_kind(amount, figure) and not amount.year_like
    return "conflicts" if rivals else "silent"


def _direction(question: str) -> bool:
    """Whether the question asks which way something went: `increase or decrease`."""
    words = question.lower().split()
    return trend(question) == 0 and any(trend(word) > 0 for word in words) and any(trend(word) < 0 for word in words)


def _finds_nothing(gold: Gold, fresh: frozenset[str]) -> bool:
    return len(fresh) <= SHORT_GOLD and not affirms(gold.text, "")


def _contains(response: str, gold: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(gold.casefold())}(?!\w)", response.casefold()) is not None


def _name(gold: Gold, question: str) -> frozenset[str]:
    """The words of the name that a gold such as `Cloud Services, at $1,210 million` puts before its figure.

    Empty where the question asks for no name, or says all of it.
    """
    if len(gold.amounts) != 1 or gold.text[gold.amounts[0].end :].strip(" ).") or not _ASKS_NAME.search(question):
        return frozenset()
    start = gold.amounts[0].start + gold.amounts[0].parenthesised
    match = _BEFORE_FIGURE.match(gold.text[:start])
    if match is None or _ASKS_FIGURE.search(question):
        return frozenset()
    return content_words(match[1]) - content_words(question)


def _unsigned(amount: Amount) -> Amount:
    """Brackets behind a name are no minus sign."""
    return replace(amount, written=abs(amount.written)) if amount.parenthesised else amount


def _judge_name(listed: Sequence[Sentence], name: frozenset[str], figure: Amount) -> Judged:
    """The name is what was asked for; its figure need not be there, but must not be another."""
    naming = [s for s in listed if len(name & content_words(s.text)) > NEEDED_SHORT * len(name)]
    if not naming:
        return Judged(False, "does not name what the gold names")
    stated = [_unsigned(amount) for s in naming for amount in s.amounts if _same_kind(amount, figure)]
    if stated and not any(agree(amount, _unsigned(figure), Unit(), approximate=True) for amount in stated):
        return Judged(False, "names what the gold names, with another figure")
    return Judged(True, "names what the gold names")


def _is_term(figure: Amount, gold: Gold, fresh: frozenset[str]) -> bool:
    """Whether a short gold turns on its rate or multiple: `SOFR + 1.25%`, `at least 3.0x`."""
    return len(fresh) <= SHORT_GOLD and (figure.percent or gold.text[: figure.end].endswith("x"))


def judge_text(response: str, listed: Sequence[Sentence], gold: Gold, question: str) -> Judged:
    """Compares free text with a free-text gold."""
    wanted = content_words(gold.text)
    if _contains(response, gold.text) and (len(response) < 2 * len(gold.text) or not wanted):
        return Judged(True, "the gold's own words")
    name = _name(gold, question)
    if name:
        return _judge_name(listed, name, gold.amounts[0])
    fresh = wanted - content_words(question) or wanted
    best = stance(listed, question)
    if best is not None and _direction(question) and trend(gold.text):
        return Judged(trend(best.text) == trend(gold.text), "direction of the change")
    if best is not None and _finds_nothing(gold, fresh):
        return Judged(not affirms(best.text, ""), "the gold says that there is none")
    share = len(fresh & content_words(response[:READ_CHARACTERS])) / max(1, len(fresh))
    figures = _figures(gold, question)
    support = figure_support(listed, gold, question)
    shown = f"{share:.0%} of the gold's words"
    if len(figures) == 1 and (figures[0].scaled or figures[0].currency or _is_term(figures[0], gold, fresh)):
        return Judged(support == "agrees", f"its figure {support}, {shown}")
    needed = NEEDED_SHORT if len(fresh) <= SHORT_GOLD else NEEDED_WORDS
    if support == "agrees":
        needed -= 0.1
    return Judged(share >= needed and support != "conflicts", f"{shown}, figures: {support}")
