"""Which amount of a response is its answer.

Marked answers first (box, `####`, `<answer>`). Otherwise the sentence that concludes or repeats the question's words,
and in it what stands after the last `=`, or else after the first `is`. Amounts of another kind than the one asked for
(a dollar amount where the question wants per cent) are passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rayrl.verify.finance.kinds.answer import Answer, Question
from rayrl.verify.finance.kinds.selection import asks_move, only_operates, pick
from rayrl.verify.finance.kinds.zero import zero_in
from rayrl.verify.finance.reading.amounts import Amount, counts_in
from rayrl.verify.finance.reading.dates import only_year, years_of
from rayrl.verify.finance.reading.results import comes_to
from rayrl.verify.finance.reading.rounding import same_thing
from rayrl.verify.finance.reading.sentences import CONCLUDES, Sentence
from rayrl.verify.finance.reading.trend import trend
from rayrl.verify.finance.reading.units import Unit, named_scale
from rayrl.verify.finance.reading.words import content_words

NEAR = 60

_EXACTLY = r"(?:to\s+be\s+)?(?:more\s+)?(?:precise|exact|specific(?:al)?)(?:ly)?|namely|in\s+full|unrounded|actually"
_ROUNDED = r"which\s+(?:is|rounds?\s+to|equals)|rounded(?:\s+to)?|equivalent(?:\s+to)?"
_THAT_IS = rf"or|i\.?e\.?|that\s+is|{_ROUNDED}|=|≈|\\approx|/|and"
_LINK = re.compile(
    rf"^[\s,;*~]*+\(?[\s,]*+(?:{_THAT_IS}|approximately|about|roughly|when|expressed)?[\s,*~]*+"
    rf"(?:{_EXACTLY}|approximately|about|roughly|an?\s++)?[\s,:*]*+$",
    re.IGNORECASE,
)
_OR = re.compile(r"^[\s,;*]*(?:\(?or|/|and\s+maybe|maybe)\b", re.IGNORECASE)
_RANGE = re.compile(r"^\s*(?:-|–|to|and)\s*$")
_BETWEEN = re.compile(r"\b(?:between|range\s+of)\W*$", re.IGNORECASE)
_BY = re.compile(r"\bby\W*(?:\w+ly\W+|about\W+)?$", re.IGNORECASE)
_CHANGES = re.compile(r"\b(?:chang|mov|went|go(?:es|ing)?|improv)\w*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """The answer: one amount, with other writings of it. hedged: it offers different values. text: where it stands.

    context: the scale named there for bare numbers ("in millions").
    """

    amounts: tuple[Amount, ...]
    text: str
    how: str
    hedged: bool = False
    is_range: bool = False
    context: int | None = None

    @property
    def most_exact(self) -> list[Amount]:
        """Those written to the most digits: `$4.2 billion ($4,179 million)` states 4,179."""
        digits = max(amount.digits for amount in self.amounts)
        return [amount for amount in self.amounts if amount.digits == digits]

    @property
    def shown(self) -> str:
        return self.text[self.amounts[0].start : self.amounts[-1].end].strip()


def _of_kind(amounts: Sequence[Amount], gold: Amount, unit: Unit) -> list[Amount]:
    usable = [amount for amount in amounts if gold.year_like or not amount.year_like]
    if gold.points and any(amount.points for amount in usable):
        return [amount for amount in usable if amount.points]
    if gold.percent or unit.percent:
        return [amount for amount in usable if not (amount.scaled or amount.currency)]
    if gold.scaled or gold.currency or unit.factor is not None:
        return [amount for amount in usable if not amount.percent]
    return usable


def _amounts_of(sentence: Sentence, gold: Amount, unit: Unit, question: str) -> list[Amount]:
    """A sentence's amounts of the gold's kind; for a gold of zero, what says so in words."""
    zero = zero_in(sentence.text, question) if gold.value == 0 else None
    return [zero] if zero else _of_kind(sentence.amounts, gold, unit)


def _form(sentence: Sentence, amounts: list[Amount], is_first: bool) -> float:
    """What its form adds to a sentence's weight.

    A bare amount at the outset answers, and so does what the sentences before come to; parts of a calculation explain.
    """
    rest = sentence.text[: amounts[0].start] + sentence.text[amounts[0].end :]
    answers = is_first and len(amounts) == 1 and not content_words(rest)
    result = not is_first and comes_to(sentence.text, amounts)
    return 2.0 * answers + 1.0 * result - 2.0 * only_operates(sentence.text, amounts)


def _is_range(between: str, before: str, moves: bool) -> bool:
    """Whether two amounts are the ends of a range: `10-12%`, `between 10 and 12`, `10 to 12` where nothing moved."""
    if between.strip() in ("-", "–"):
        return True
    if between.strip() == "and":
        return bool(_BETWEEN.search(before))
    return between.strip() == "to" and not moves


def _state(
    sentence: Sentence, amounts: list[Amount], how: str, context: int | None, question: str, year: int | None
) -> Statement:
    start = pick(sentence.text, amounts, question)
    years, dated = years_of(sentence.text, amounts)
    if year and year in years and years[start] not in (None, year):
        start = years.index(year)
    group, hedged, is_range = [amounts[start]], False, False
    moves = trend(sentence.text) != 0 or bool(_CHANGES.search(sentence.text))
    by = asks_move(question) and bool(_BY.search(sentence.before(group[0])[-NEAR:]))
    for index, amount in enumerate(amounts[start + 1 :], start + 1):
        between = sentence.text[group[-1].end : amount.start]
        later = sentence.text[dated[index - 1] : amount.start] if index - 1 in dated else between
        if by and between.strip() == "to":
            break
        if moves and (between.strip() == "to" or (later.strip(" )") == "to" and years[index - 1] != year)):
            group = [amount]
        elif not _LINK.match(between) and not _RANGE.match(between):
            break
        elif same_thing(group[0], amount):
            group.append(amount)
        else:
            is_range = _is_range(between, sentence.before(group[0]), moves)
            hedged = not is_range and bool(_OR.match(between))
            if is_range or hedged:
                group.append(amount)
            break
    return Statement(tuple(group), sentence.text, how, hedged, is_range, named_scale(sentence.text) or context)


def sentence_weight(sentence: Sentence, asked: frozenset[str], is_last: bool, is_first: bool) -> float:
    """How much a sentence looks like the answer to a question of such words."""
    overlap = len(asked & content_words(sentence.text)) / max(1, len(asked))
    return 3.0 * bool(CONCLUDES.search(sentence.text)) + 2.0 * overlap + 1.0 * is_last + 0.5 * is_first


def find_statement(answer: Answer, question: Question, gold: Amount) -> Statement | None:
    """What an answer states, or None where it states no amount of the gold's kind."""
    listed, unit = answer.sentences, question.unit
    context = next((scale for sentence in listed if (scale := named_scale(sentence.text))), None)
    usable = [(sentence, _amounts_of(sentence, gold, unit, question.text)) for sentence in listed]
    usable = [pair for pair in usable if pair[1]]
    if not usable and gold.bare and gold.written.denominator == 1:
        usable = [(sentence, counts) for sentence in listed if (counts := counts_in(sentence.text))]
    if not usable:
        return None
    asked = content_words(question.text)
    weights = [
        sentence_weight(sentence, asked, index == len(usable) - 1, index == 0) + _form(sentence, amounts, index == 0)
        for index, (sentence, amounts) in enumerate(usable)
    ]
    best = max(range(len(usable)), key=lambda index: (weights[index], index))
    sentence, amounts = usable[best]
    how = "marked" if answer.is_marked else "concluded" if CONCLUDES.search(sentence.text) else "stated"
    year = None if gold.year_like else only_year(question.text)
    return _state(sentence, amounts, how, context, question.text, year)
