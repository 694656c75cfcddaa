"""A gold of free text: what a response shares with it, figures first, then words. Deterministic, of low confidence."""

import re
from collections.abc import Sequence
from dataclasses import replace

from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.agreement import agree
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison
from rayrl.verify.finance.kinds.support import figure_support, is_same_kind, own_figures
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.polarity import affirms, stance
from rayrl.verify.finance.reading.sentences import Sentence
from rayrl.verify.finance.reading.trend import trend
from rayrl.verify.finance.reading.units import Unit
from rayrl.verify.finance.reading.words import content_words

NEEDED_WORDS = 0.35
NEEDED_SHORT = 0.5
SHORT_GOLD = 3
READ_CHARACTERS = 4000

_BEFORE_FIGURE = re.compile(r"^(.*?)\s*(?:[,:(-]\s*(?:(?:at|with)\s+)?|\b(?:at|with)\s+)$")
_ASKS_NAME = re.compile(
    r"\b(?:which|who|whose|whom|where|name|identify|what\s+(?!is|was|are|were|did|does|do|drove|would|will"
    r"|caused?)\w+)\b",
    re.IGNORECASE,
)
_ASKS_FIGURE = re.compile(r"\bhow\s+(?:much|many|large|high)\b", re.IGNORECASE)


def _asks_direction(question: str) -> bool:
    """Whether the question asks which way something went: `increase or decrease`."""
    words = question.lower().split()
    return trend(question) == 0 and any(trend(word) > 0 for word in words) and any(trend(word) < 0 for word in words)


def _says_none(gold: Gold, fresh: frozenset[str]) -> bool:
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


def _judge_name(listed: Sequence[Sentence], name: frozenset[str], figure: Amount) -> Verdict:
    """The name is what was asked for; its figure need not be there, but must not be another."""
    naming = [s for s in listed if len(name & content_words(s.text)) > NEEDED_SHORT * len(name)]
    if not naming:
        return _overlap(False, "does not name what the gold names")
    stated = [_unsigned(amount) for s in naming for amount in s.amounts if is_same_kind(amount, figure)]
    if stated and not any(agree(amount, _unsigned(figure), Unit(), approximate=True) for amount in stated):
        return _overlap(False, "names what the gold names, with another figure")
    return _overlap(True, "names what the gold names")


def _is_term(figure: Amount, gold: Gold, fresh: frozenset[str]) -> bool:
    """Whether a short gold turns on its rate or multiple: `SOFR + 1.25%`, `at least 3.0x`."""
    return len(fresh) <= SHORT_GOLD and (figure.percent or gold.text[: figure.end].endswith("x"))


def _overlap(correct: bool, reason: str) -> Verdict:
    return comparison(correct, reason, decided_by="overlap")


def judge_text(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Compares free text with a free-text gold."""
    listed, asked, wanted = answer.sentences, question.text, content_words(gold.text)
    if _contains(answer.text, gold.text) and (len(answer.text) < 2 * len(gold.text) or not wanted):
        return _overlap(True, "the gold's own words")
    name = _name(gold, asked)
    if name:
        return _judge_name(listed, name, gold.amounts[0])
    fresh = wanted - content_words(asked) or wanted
    best = stance(listed, asked)
    if best is not None and _asks_direction(asked) and trend(gold.text):
        return _overlap(trend(best.text) == trend(gold.text), "direction of the change")
    if best is not None and _says_none(gold, fresh):
        return _overlap(not affirms(best.text, ""), "the gold says that there is none")
    share = len(fresh & content_words(answer.text[:READ_CHARACTERS])) / max(1, len(fresh))
    figures = own_figures(gold, asked)
    support = figure_support(listed, gold, asked)
    shown = f"{share:.0%} of the gold's words"
    if len(figures) == 1 and (figures[0].scaled or figures[0].currency or _is_term(figures[0], gold, fresh)):
        return _overlap(support == "agrees", f"its figure {support}, {shown}")
    needed = NEEDED_SHORT if len(fresh) <= SHORT_GOLD else NEEDED_WORDS
    if support == "agrees":
        needed -= 0.1
    return _overlap(share >= needed and support != "conflicts", f"{shown}, figures: {support}")
