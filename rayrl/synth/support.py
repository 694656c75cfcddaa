"""Does an answer's figure stand in the text, or follow from the quoted evidence by one operation?"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import permutations

from rayrl.verify.finance.amounts import Amount, amounts_in
from rayrl.verify.text import to_ascii

MAX_OPERANDS = 24
_SCALES = [Fraction(10) ** power for power in (-9, -6, -3, 0, 3, 6, 9)]
_SHARES = [Fraction(1), Fraction(100), Fraction(10_000)]


def squeezed(text: str) -> str:
    """Words and numbers alone, in lower case, one blank apart: what is left when layout and punctuation are ignored."""
    plain = re.sub(r"(?<=\d),(?=\d)", "", to_ascii(text).lower())
    return " ".join(re.findall(r"[a-z]+|\d+(?:\.\d+)?", plain))


def quoted(evidence: str, context: str) -> bool:
    """Whether a passage stands in the context, layout and punctuation apart. `...` parts pieces that stand alone."""
    whole = f" {_squeezed_context(context)} "
    pieces = [squeezed(piece) for piece in re.split(r"\.\.\.|…", evidence)]
    return any(pieces) and all(f" {piece} " in whole for piece in pieces if piece)


@lru_cache(maxsize=1024)
def _squeezed_context(context: str) -> str:
    return squeezed(context)


@lru_cache(maxsize=1024)
def _context_numbers(context: str) -> frozenset[Fraction]:
    return frozenset(abs(amount.written) for amount in amounts_in(to_ascii(context))) | frozenset(
        Fraction(number) for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d)", "", to_ascii(context)))
    )


def unsupported(answer: str, context: str, evidence: tuple[str, ...]) -> list[str]:
    """Figures of an answer that neither stand in the context (in another scale, or rounded, too) nor are the sum,
    difference, product, quotient, percentage change or mean of two numbers of the evidence, or the sum of all."""
    text = to_ascii(answer)
    return [
        text[amount.start : amount.end].strip()
        for amount in amounts_in(text)
        if not _stands(amount, _context_numbers(context)) and not _follows(amount, evidence)
    ]


def _near(amount: Amount, value: Fraction) -> bool:
    return 2 * abs(abs(amount.written) - abs(value)) <= amount.step


def _stands(amount: Amount, numbers: frozenset[Fraction]) -> bool:
    if abs(amount.written) in numbers:
        return True
    scales = _SCALES if amount.scaled or amount.bare else [Fraction(1)]
    return amount.digits >= 2 and any(_near(amount, number * scale) for number in numbers for scale in scales)


def _follows(amount: Amount, evidence: tuple[str, ...]) -> bool:
    found = [n.written for n in amounts_in(to_ascii(" ; ".join(evidence)))]
    numbers = list(dict.fromkeys(found))[:MAX_OPERANDS]
    if any(_near(amount, value * scale) for value in _plain(numbers) for scale in _SCALES):
        return True
    return any(_near(amount, value * share) for value in _shares(numbers) for share in _SHARES)


def _plain(numbers: list[Fraction]) -> Iterator[Fraction]:
    """In the unit of the numbers themselves."""
    yield sum(numbers, Fraction(0))
    for a, b in permutations(numbers, 2):
        yield from (a + b, a - b, (a + b) / 2, abs(a) - abs(b))


def _shares(numbers: list[Fraction]) -> Iterator[Fraction]:
    """Of no unit, or per cent."""
    for a, b in permutations(numbers, 2):
        yield a * b
        if b:
            yield from (a / b, (a - b) / b, (a - b) / abs(b))
    total = sum(numbers, Fraction(0))
    if total:
        yield from (number / total for number in numbers)
