"""Which amount of a sentence answers a question."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from rayrl.verify.finance.kinds.agreement import FAR
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.results import Candidate, comes_to, first_after, named, results, subject
from rayrl.verify.finance.reading.rounding import same_thing
from rayrl.verify.finance.reading.trend import CHANGE
from rayrl.verify.finance.reading.words import content_words

_EQUALS = re.compile(r"=|≈|\\approx")
_BY_MEANS = r"(?:calculated|computed|derived|obtained)\s+(?:as|by|from|using)"
_SUM_OF = r"the\s+(?:sum|total|result|quotient|product)\s+of"
_OPERATED = rf"(?:divided|multiplied|subtracted|added|deducted|taken|{_SUM_OF}|{_BY_MEANS})\b"
_IS = r"(?:is|was|were|are|be|equals?|total(?:s|l?ed)|amounts?\s+to|stands?\s+at|came\s+to)"
_COPULA = re.compile(rf"\b{_IS}\b(?!\s+(?:\w+\s+)?{_OPERATED})|:", re.IGNORECASE)
_OPERATION = r"(?:divid(?:e|ed|ing)|multipl(?:y|ied|ying)|subtract(?:ed|ing)?|quotient|adding|summing)"
_OPERATES = re.compile(rf"\b(?:{_OPERATION}|{_BY_MEANS})\b", re.IGNORECASE)
_MOVE_OF = re.compile(rf"\b(?:an?|the)\s+(?:[\w-]+\s+){{0,2}}{CHANGE}\s+of\b", re.IGNORECASE)
_MORE = rf"(?:{CHANGE}|grow|differ|more|less|higher|lower)"
_WHAT_MOVE = rf"what\s+(?:is|was)\s+the\s+(?:[\w-]+\s+){{0,2}}{CHANGE}"
_ASKS_MOVE = re.compile(
    rf"\bby\s+how\s+much\b|\bhow\s+much\b.*\b{_MORE}\b|\b{_WHAT_MOVE}\b|\b(?:percentage|amount\s+of)\s+{CHANGE}\b",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(r"(?:\s\w{1,12})?\s?(?::|-)\s(?=.*[A-Za-z]{3})")
_TELLS_MOVE = re.compile(rf"\bby\W*(?:\w+\s+)?$|\b{CHANGE}\b[^,;]*$", re.IGNORECASE)


def _shared(words: frozenset[str], asked: frozenset[str]) -> int:
    """How many of the question's words some words have, if most of them are such."""
    common = len(words & asked)
    return common if 2 * common > len(words) else 0


def _stated(text: str, amounts: Sequence[Amount], asked: frozenset[str]) -> Candidate:
    """The amount behind the `is` whose subject is most what is asked for, the first of them; or else the first one.

    Where the sentence opens with an amount and explains it, that one: `4.5 days: …`.
    """
    found = [
        Candidate(index, subject(text, amounts, match.start()))
        for match in _COPULA.finditer(text)
        if (index := first_after(amounts, match.end())) is not None
    ]
    first = Candidate(0, text[: amounts[0].start])
    if not re.search(r"\w", first.name) and _EXPLAINED.match(text, amounts[0].end):
        return first
    return max(found, key=lambda candidate: _shared(content_words(candidate.name), asked), default=first)


def _after_equals(text: str, amounts: Sequence[Amount]) -> int | None:
    """The first amount behind the last `=` that has one."""
    ends = [match.end() for match in _EQUALS.finditer(text) if match.end() - 1 <= amounts[-1].start]
    return bisect_left(amounts, ends[-1] - 1, key=lambda amount: amount.start) if ends else None


def asks_move(question: str) -> bool:
    """Whether a question asks by how much something rose or fell."""
    return bool(_ASKS_MOVE.search(question))


def _move(text: str, amounts: Sequence[Amount], question: str) -> int | None:
    """The amount of `a rise of …`, where a question asks for one."""
    if not asks_move(question):
        return None
    found = (first_after(amounts, match.end()) for match in _MOVE_OF.finditer(text))
    return next((index for index in found if index), None)


def pick(text: str, amounts: Sequence[Amount], question: str) -> int:
    """The index of the amount of a sentence that answers.

    After the last `=`; else the last that a calculation comes to, unless that is named as something else than what is
    asked for and told before it (`Net income was $5 million, which gives a margin of 3 %`); else after an `is`; else
    the first.
    """
    equal = _after_equals(text, amounts)
    if equal is not None:
        return equal
    asked = content_words(question)
    stated = _stated(text, amounts, asked)
    move = _move(text, amounts, question)
    if move is not None and not _TELLS_MOVE.search(text[: amounts[stated.index].start][-FAR:]):
        return move
    told = _shared(content_words(stated.name), asked)
    found = [result for result in results(text, amounts) if not _restates(amounts, stated.index, result.index)]
    for result in found:
        words = named(result)
        if len(words & asked) >= max(told, 1) or (not words and (result.index > 1 or not told)):
            return result.index
    return found[0].index if found and not told else stated.index


def _restates(amounts: Sequence[Amount], first: int, second: int) -> bool:
    return first != second and same_thing(amounts[first], amounts[second])


def only_operates(text: str, amounts: Sequence[Amount]) -> bool:
    """Whether a sentence names the parts of a calculation and not what it comes to: `We divide 8 by 5.`"""
    if not amounts or not _OPERATES.search(text) or _EQUALS.search(text):
        return False
    if comes_to(text, amounts) or any(results(text, amounts)):
        return False
    return all(first_after(amounts, match.end()) is None for match in _COPULA.finditer(text))
