"""Does an answer's figure stand in the text, or follow from the quoted evidence by one operation?"""

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import permutations

from rayrl.verify.finance.reading.amounts import Amount, amounts_in
from rayrl.verify.finance.reading.trend import FALL, NEGATIVE
from rayrl.verify.text import to_ascii

MAX_OPERANDS = 24
SENTENCE = 300
_SCALES = [Fraction(10) ** power for power in (-9, -6, -3, 0, 3, 6, 9)]
_SHARES = [Fraction(1), Fraction(100), Fraction(10_000)]
_COUNTED = re.compile(r" [a-z]{2,}[^\Wius]s\b")
_SENTENCE_END = re.compile(r"[.!?;]\s|\n")
_FALLS = re.compile(rf"\b(?:{FALL}|{NEGATIVE}|lost|used)\b", re.IGNORECASE)


def squeeze(text: str) -> str:
    """Words and numbers alone, in lower case, one blank apart: what is left when layout and punctuation are ignored."""
    plain = re.sub(r"(?<=\d),(?=\d)", "", to_ascii(text).lower())
    return " ".join(re.findall(r"[a-z]+|\d+(?:\.\d+)?", plain))


def is_quoted(evidence: str, context: str) -> bool:
    """Whether a passage stands in the context, layout and punctuation apart. `...` parts pieces that stand alone."""
    whole = f" {_squeezed_context(context)} "
    pieces = [squeeze(piece) for piece in re.split(r"\.\.\.|…", evidence)]
    return any(pieces) and all(f" {piece} " in whole for piece in pieces if piece)


@lru_cache(maxsize=1024)
def _squeezed_context(context: str) -> str:
    return squeeze(context)


def unsupported_figures(answer: str, context: str, evidence: tuple[str, ...]) -> list[str]:
    """Figures of an answer that neither stand in the context (in another scale, or rounded, too) nor are the sum,
    difference, product, quotient, percentage change or mean of two numbers of the evidence, or the sum of all."""
    text = to_ascii(answer)
    return [
        text[amount.start : amount.end].strip()
        for amount in amounts_in(text)
        if not _stands(amount, context) and not _follows(amount, evidence)
    ]


@lru_cache(maxsize=1024)
def _figures(context: str) -> tuple[frozenset[Fraction], tuple[Amount, ...]]:
    """Numbers without a unit, as in tables; and amounts that state one, or what they count (`47 plants`). What fell is
    in there with both signs."""
    text = to_ascii(context)
    bare, stated, rest, at = set[Fraction](), list[Amount](), [], 0
    for amount in amounts_in(text):
        if amount.bare and not (amount.step == 1 and not amount.currency and _COUNTED.match(text, amount.end)):
            bare.add(abs(amount.written))
            continue
        stated.append(amount)
        before, after = text[max(0, amount.start - SENTENCE) : amount.start], text[amount.end : amount.end + SENTENCE]
        if _FALLS.search(_SENTENCE_END.split(before)[-1] + _SENTENCE_END.split(after)[0]):
            stated.append(replace(amount, written=-amount.written))
        rest.append(text[at : amount.start])
        at = amount.end
    plain = re.sub(r"(?<=\d),(?=\d)", "", " ".join((*rest, text[at:])))
    return frozenset(bare | {Fraction(number) for number in re.findall(r"\d+(?:\.\d+)?", plain)}), tuple(stated)


def _near(amount: Amount, value: Fraction) -> bool:
    return 2 * abs(abs(amount.written) - abs(value)) <= amount.step


def _agrees(amount: Amount, number: Fraction, unit: Amount | None) -> bool:
    """Whether an amount is a number of another's unit: in any scale where one of them states none, never per cent of
    what is none."""
    if unit is not None and amount.percent != unit.percent and not (amount.bare and not amount.currency):
        return False
    if unit is not None and not unit.bare and not amount.bare:
        return _near(amount, number * unit.factor / amount.factor)
    return any(_near(amount, number * scale) for scale in ([Fraction(1)] if amount.percent else _SCALES))


def _stands(amount: Amount, context: str) -> bool:
    bare, stated = _figures(context)
    if abs(amount.written) in bare:
        return True
    rounded = amount.digits >= 2
    exact = amount if rounded else replace(amount, step=Fraction(0))
    signed = (figure for figure in stated if not amount.written < 0 < figure.written)
    if any(_agrees(exact, figure.written, figure) for figure in signed):
        return True
    return rounded and any(_agrees(amount, number, None) for number in bare)


def _follows(amount: Amount, evidence: tuple[str, ...]) -> bool:
    amounts = amounts_in(to_ascii(" ; ".join(evidence)))[:MAX_OPERANDS]
    if len(amounts) < 2:
        return False
    if any(_agrees(amount, value, unit) for value, unit in _plain(amounts)):
        return True
    return any(_near(amount, value * share) for value in _shares([n.written for n in amounts]) for share in _SHARES)


def _plain(amounts: list[Amount]) -> Iterator[tuple[Fraction, Amount | None]]:
    """In the unit of the amounts themselves, where all state the same kind."""
    for some in (amounts, *permutations(amounts, 2)):
        alike = not any(n.bare for n in some) and len({n.percent for n in some}) == 1
        unit = some[0] if alike else None
        numbers = [n.value / unit.factor if unit else n.written for n in some]
        yield sum(numbers, Fraction(0)), unit
        if len(numbers) == 2:
            a, b = numbers
            yield from ((value, unit) for value in (a - b, (a + b) / 2, abs(a) - abs(b)))


def _shares(numbers: list[Fraction]) -> Iterator[Fraction]:
    """Of no unit, or per cent."""
    for a, b in permutations(numbers, 2):
        yield a * b
        if b:
            yield from (a / b, (a - b) / b, (a - b) / abs(b))
    total = sum(numbers, Fraction(0))
    if total:
        yield from (number / total for number in numbers)
