"""Which unit an answer is to be in: what the question asks for, what a data set's `scale` column says."""

import re
from dataclasses import dataclass
from fractions import Fraction

from rayrl.errors import DataError
from rayrl.verify.text import gold_text

SCALES = {"": 1, "none": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORD = r"(?P<scale>thousand|million|billion|trillion|mn|mm|bn)s?"
_ASKED_SCALE = re.compile(
    rf"\b(?:in|as|of)\s+(?:a\s+number\s+of\s+)?(?:units\s+of\s+)?(?:(?:US\s?)?\$\s?|[A-Z]{{3}}\s|US\s+dollars?\s"
    rf"|dollars?\s|euros?\s)?\s?{_WORD}\b"
    rf"|\((?:in\s+)?(?:[A-Z]{{3}}|(?:US)?\$)?\s?{_WORD.replace('scale', 'scale2')}\)",
    re.IGNORECASE,
)
_ASKED_PERCENT = re.compile(
    r"\bin\s+(?:units\s+of\s+)?percents?\b|\bas\s+(?:a\s+)?(?:%|percent)|\bpercent(?:age)?\b|%|\bper\s+cent\b"
    r"|\bgrowth\s+rate\b",
    re.IGNORECASE,
)
_ASKED_POINTS = re.compile(r"\b(?:in|many)\s+(?:units\s+of\s+)?(?:basis\s+points|bps)\b", re.IGNORECASE)
_SHORT = {"mn": "million", "mm": "million", "bn": "billion"}


@dataclass(frozen=True, slots=True)
class Unit:
    """factor: what a bare number in the asked unit is worth, or None where nothing says. percent: parts of a hundred.

    certain: a data set's column says it, so that a bare gold is in this unit and no other.
    """

    factor: Fraction | None = None
    percent: bool = False
    certain: bool = False


def named_scale(text: str) -> int | None:
    """The scale that `text` names in words such as `in USD millions`."""
    match = _ASKED_SCALE.search(text)
    if match is None:
        return None
    word = (match["scale"] or match["scale2"]).lower()
    return SCALES[_SHORT.get(word, word)]


def asked_unit(question: str, scale: str | None) -> Unit:
    """The unit of a bare number.

    Args:
        question: The question, or "".
        scale: A data set's own word for the gold's unit: thousand, million, billion, percent, bps, "" or None.

    Raises:
        DataError: An unknown `scale`.
    """
    word = gold_text(scale).strip().lower().removesuffix("s")
    if word in ("percent", "%"):
        return Unit(Fraction(1, 100), percent=True, certain=True)
    if word in ("bp", "basi point", "basis point"):
        return Unit(Fraction(1, 10_000), percent=True, certain=True)
    if word not in SCALES:
        raise DataError(f"scale {scale!r} is unknown; use one of {', '.join(filter(None, SCALES))}, percent, bps")
    if SCALES[word] > 1:
        return Unit(Fraction(SCALES[word]), certain=True)
    if _ASKED_POINTS.search(question):
        return Unit(Fraction(1, 10_000), percent=True)
    asked = named_scale(question)
    if asked is not None:
        return Unit(Fraction(asked))
    if _ASKED_PERCENT.search(question):
        return Unit(Fraction(1, 100), percent=True)
    return Unit()
