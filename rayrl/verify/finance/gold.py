"""What a gold answer is: an amount, several, a range, a date, yes or no, 'cannot be answered', or free text."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from rayrl.errors import DataError
from rayrl.verify.finance.reading.amounts import Amount, amounts_in, is_approximate, only_amount
from rayrl.verify.finance.reading.dates import Date, only_date
from rayrl.verify.finance.reading.latex import unlatex
from rayrl.verify.finance.reading.marks import with_neighbors
from rayrl.verify.finance.reading.programs import Incomputable, is_program, is_sum, run_program, run_sum
from rayrl.verify.finance.reading.sentences import sentences
from rayrl.verify.finance.reading.units import named_scale
from rayrl.verify.finance.refusal.decision import find_refusal
from rayrl.verify.text import MISSING, shortened, tidy, to_ascii

Kind = Literal["amounts", "range", "yes_no", "refusal", "date", "text"]
MAX_CHARACTERS = 5000
COMPUTED_STEP = Fraction(1, 10**6)

_UNANSWERABLE = re.compile(
    r"^(?:n/?a|not? (?:available|answerable|applicable|disclosed|given|enough information|answer)"
    r"|unanswerable|unknown|insufficient \w+|(?:it |this |the question )?(?:cannot|can't|can not|could not)"
    r" be (?:answered|determined|calculated)\b.{0,80})\.?$",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"^\W*(?:(yes|true|false)\b|(no)(?=\s*(?:[,.:;!(-]|$)))", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?:;|\n|,\s+(?:and\s+)?|\s+and\s+|\s*&\s*)\s*")
_RANGE = re.compile(
    r"^(?:(?P<between>between\s+)|from\s+)?(?P<low>.{1,40}?)\s*(?:-|–|\bto\b|(?(between)\band\b"
    r"|(?!)))\s*(?P<high>.{1,40})$",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"^(.*?[\d)%x](?:\s?(?:thousand|million|billion|trillion|[KMB]n?))?)\s+([a-z]+(?:\s+[a-z]+)?)$", re.IGNORECASE
)
_IN_SCALE = re.compile(r"\s*\(?\bin\s+(?:USD\s+|\$\s?)?(?:thousand|million|billion)s?\)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold answer, read once. yes: for yes_no. amounts: its figures, supporting ones too. text: tidied.

    date: for date, and for an amount that may be a year.
    """

    kind: Kind
    text: str
    amounts: tuple[Amount, ...] = ()
    yes: bool | None = None
    date: Date | None = None
    approximate: bool = False


def _computed(value: Fraction) -> Amount:
    step = max(abs(value) * COMPUTED_STEP, Fraction(1, 10**9))
    return Amount(value, Fraction(1), step)


def one_amount(text: str) -> Amount | None:
    """The amount that `text` is, with a scale in brackets or a noun behind it: `1,577 (in millions)`, `47 stores`."""
    scale = named_scale(text)
    bare = _IN_SCALE.sub("", text) if scale else text
    noun = _NOUN.match(bare)
    amount = only_amount(bare) or (only_amount(noun[1]) if noun else None)
    if amount is not None and amount.bare and scale:
        return amount.times(scale)
    return amount


def _range(text: str) -> tuple[Amount, Amount] | None:
    match = _RANGE.match(text)
    if match is None:
        return None
    low, high = only_amount(match["low"]), only_amount(match["high"])
    if low is None or high is None or low.year_like:
        return None
    if low.bare and not high.bare:
        low = low.times(high.factor)
    return (low, high) if low.value < high.value else None


def _several(text: str) -> tuple[Amount, ...]:
    parts = [one_amount(part) for part in _SEPARATOR.split(text) if part]
    amounts = tuple(part for part in parts if part is not None)
    return amounts if len(amounts) == len(parts) and len(amounts) > 1 else ()


def _number(text: str) -> Gold | None:
    """The gold as amounts, a range or a program; None where it is none of them."""
    try:
        if is_program(text):
            result = run_program(text)
            if isinstance(result, bool):
                return Gold("yes_no", text, yes=result)
            return Gold("amounts", text, (_computed(result),))
        single = one_amount(text)
        if single is not None:
            return Gold("amounts", text, (single,), approximate=is_approximate(text))
        ends = _range(text)
        if ends is not None:
            return Gold("range", text, ends, approximate=is_approximate(text))
        if is_sum(text):
            return Gold("amounts", text, (_computed(run_sum(text)),))
    except Incomputable as error:
        raise DataError(f"gold answer {shortened(text)!r} is a program that cannot be computed: {error}") from error
    several = _several(text)
    return Gold("amounts", text, several) if several else None


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Gold:
    """Reads a gold answer.

    Raises:
        DataError: It is empty, longer than `MAX_CHARACTERS`, or a program that cannot be computed.
    """
    if len(gold) > MAX_CHARACTERS:
        raise DataError(
            f"gold answer {shortened(gold, 80)!r} is {len(gold)} characters long, more than {MAX_CHARACTERS}"
        )
    text = tidy(with_neighbors(unlatex(to_ascii(gold))))
    if text.casefold() in MISSING or not re.search(r"\w", text):
        raise DataError(f"gold answer {shortened(gold)!r} is empty")
    date = only_date(text)
    if date is not None and not text.isdigit():
        return Gold("date", text, date=date)
    number = _number(text)
    if number is not None:
        return replace(number, date=date)
    if _UNANSWERABLE.match(text) or (len(text) < 300 and not _YES_NO.match(text) and find_refusal(sentences(text))):
        return Gold("refusal", text)
    amounts = tuple(amount for amount in amounts_in(text) if not amount.year_like)
    answer = _YES_NO.match(text)
    if answer is not None:
        return Gold("yes_no", text, amounts, yes=(answer[1] or answer[2]).lower() in ("yes", "true"))
    return Gold("text", text, amounts)
