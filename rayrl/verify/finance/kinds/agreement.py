"""Do two amounts agree? Every reading of the answer against every reading of the gold, within the gold's precision."""

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.trend import FALL, NEGATIVE, RISE
from rayrl.verify.finance.reading.units import Unit

RELATIVE = Fraction(5, 10_000)
WHOLE_STEP = Fraction(2, 1000)
MIN_DIGITS = 3
LARGEST = 10**14  # no amount of a company is larger, in any currency
WRITTEN_OUT = 10**6  # from here on, a gold may be written out in units of one, whatever unit is asked for

_DOWN = re.compile(rf"\b(?:{FALL}|{NEGATIVE})\b", re.IGNORECASE)
_ROSE = re.compile(rf"\b(?:{RISE}|profit)\b", re.IGNORECASE)
_NOT_OF_IT = r"(?:with|due|despite|from|on|and|but|as|after|through|by|of|in|at|for|than|because|up)\b"
_THEN_DOWN = re.compile(
    r"(?:\s*[,(-]?\s*(?:(?:which|that)\s+)?(?:is|was|being|indicat\w+|represent\w+|mean\w+|show\w+)\s+an?\s+"
    rf"|\s*[,(-]\s*an?\s+|\s+|\s*\()(?:(?!{_NOT_OF_IT})[\w-]+\s+){{0,3}}{_DOWN.pattern}",
    re.IGNORECASE,
)
_LOSS = r"(?P<loss>(?:net|operating|pre-?tax|comprehensive|gross|an?|the)\s+loss\b)"
_FALL_OF = re.compile(
    rf"\b(?:{_LOSS}|{FALL})(?:\s+(?:of|by|was|is|were))?(?:\s+(?:about|approximately|around|nearly|roughly))?\s*$",
    re.IGNORECASE,
)
_USED = re.compile(r"\b(?:used|consumed|spent)\s+(?:about\s+|\w+ly\s+)?$", re.IGNORECASE)
_ASKS_CASH = re.compile(r"\bcash\b.*\b(?:provided|generated|from)\b", re.IGNORECASE)
_ASKS_RISE = re.compile(rf"\b(?:{RISE}|change)\b", re.IGNORECASE)
_ASKS_INCOME = re.compile(r"\b(?:income|profit|earnings)\b", re.IGNORECASE)
_ASKS_LOSS = re.compile(rf"\b(?:loss(?:es)?|{FALL})\b", re.IGNORECASE)
_ASKS_SIZE = re.compile(r"\bby\s+(?:how|what)\b[^?]{0,80}\bchange", re.IGNORECASE)
NEAR, FAR = 60, 300
_OUTFLOW = re.compile(
    r"\b(?:cap(?:ital\s+)?ex(?:penditures?)?|purchases?|dividends?|paid|pay\s+out|repurchase\w*|buy\s?backs?|outflows?"
    r"|cash\s+(?:\w+\s+){0,3}used)\b",
    re.IGNORECASE,
)
_UP = re.compile(rf"\b(?:{RISE}|(?:profit|income|change)\w*)|/", re.IGNORECASE)


def _is_fall(amount: Amount, sentence: str) -> bool:
    """Whether words make it one: the last of direction before it, or those right behind it, as in `5 %, a decline`."""
    before = sentence[max(0, amount.start - FAR) : amount.start]
    down = max((match.start() for match in _DOWN.finditer(before)), default=-1)
    rose = max((match.start() for match in _ROSE.finditer(before)), default=-1)
    return down > rose or bool(_USED.search(before)) or bool(_THEN_DOWN.match(sentence, amount.end))


def _is_opposed(amount: Amount, sentence: str, question: str) -> bool:
    """Whether it is a decline of so much where growth is asked for, or a loss of so much where income is."""
    before = sentence[max(0, amount.start - NEAR) : amount.start]
    if _USED.search(before) and _ASKS_CASH.search(question):
        return True
    match = _FALL_OF.search(before)
    if match is None or _DOWN.search(question) or _ASKS_SIZE.search(question):
        return False
    return bool((_ASKS_INCOME if match["loss"] else _ASKS_RISE).search(question))


def _signs(answer: Amount, gold: Amount, sentence: str, question: str) -> list[Amount]:
    """`answer`, and with the other sign where words give the sign: a decline of 5 %, cash paid out as `(5)`."""
    other = replace(answer, written=-answer.written)
    if (gold.value < 0) == (answer.value < 0):
        return [other if gold.value > 0 and _is_opposed(answer, sentence, question) else answer]
    rises = _UP.search(question)
    fell = gold.value < 0 and ((_DOWN.search(question) and not rises) or _is_fall(answer, sentence))
    bracketed = answer.parenthesised or gold.value < 0
    paid = bracketed and (_OUTFLOW.search(question) or (_ASKS_LOSS.search(question) and not rises))
    return [answer, other] if fell or paid else [answer]


def tolerance(gold: Amount, approximate: bool = False) -> Fraction:
    """How far a reading of the answer may be from `gold`, in units of one.

    Half a step of the gold's last digit, or 0.05 % of it. A whole step where that is at most 0.2 % of it (rounding on
    the way), or where the gold calls itself approximate. A bare number that may be a year is taken as written.
    """
    step = abs(gold.step * gold.factor)
    if gold.year_like and gold.factor == 1:
        return step / 2
    size = abs(gold.value)
    whole = step if approximate or step <= WHOLE_STEP * size else Fraction(0)
    return max(step / 2, whole, RELATIVE * size)


def gold_readings(gold: Amount, unit: Unit) -> Iterator[Amount]:
    """What a gold amount may mean."""
    if not gold.bare or unit.factor is None:
        yield gold
    elif unit.certain:
        yield gold.times(unit.factor)
    elif unit.percent:
        # Data sets write 65.4 % as 0.654 or as 65.4.
        yield gold
        if abs(gold.written) >= 1:
            yield gold.times(unit.factor)
    else:
        asked = gold.times(unit.factor)
        if abs(asked.value) <= LARGEST:
            yield asked
        if abs(gold.written) >= WRITTEN_OUT and gold.written % unit.factor == 0:
            yield gold


def answer_readings(answer: Amount, gold: Amount, unit: Unit, context: int | None) -> Iterator[Amount]:
    """What an answer's amount may mean, given how the gold is written and what the response says of its unit."""
    if not answer.bare:
        yield answer
        unknown = gold.bare and unit.factor is None
        thousandths = answer.factor == 1000 and gold.step < 1  # statements in thousands have no decimals
        if unknown and (answer.scaled or abs(gold.written) > 1) and not thousandths:
            yield answer.times(1)
        return
    if context is not None:
        yield answer.times(context)
    if gold.percent and not unit.certain:
        yield answer.times(gold.factor)
    yield answer
    if unit.factor is not None:
        yield answer.times(unit.factor)


def _near(answer: Amount, gold: Amount, allowed: Fraction, own: bool) -> bool:
    distance = abs(answer.value - gold.value)
    if distance <= allowed:
        return True
    # An answer that is written to fewer digits than the gold, but not to few.
    return own and answer.digits >= MIN_DIGITS and distance <= abs(answer.step * answer.factor) / 2


def agree(
    answer: Amount,
    gold: Amount,
    unit: Unit,
    *,
    context: int | None = None,
    sentence: str = "",
    question: str = "",
    approximate: bool = False,
    relative: float | None = None,
) -> bool:
    """Whether `answer` states `gold`.

    Args:
        answer: An amount of the response.
        gold: The gold amount.
        unit: Of bare numbers, by question or data set.
        context: The scale that the response names for its bare numbers ("in millions").
        sentence: Where the answer stands: `a decline of 5 %` agrees with -5 %.
        question: Tells of outflows, whose sign is a matter of taste.
        approximate: The gold calls itself approximate.
        relative: Relative tolerance that replaces the one from the gold's precision.
    """
    if answer.currency and gold.currency and answer.currency != gold.currency:
        return False
    for meant in gold_readings(gold, unit):
        allowed = tolerance(meant, approximate) if relative is None else abs(meant.value) * Fraction(relative)
        for signed in _signs(answer, gold, sentence, question):
            for reading in answer_readings(signed, gold, unit, context):
                if _near(reading, meant, allowed, own=relative is None):
                    return True
    return False
