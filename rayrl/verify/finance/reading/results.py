"""What a calculation comes to, in one sentence: `$3 million plus $2 million gives $5 million`, `for a total of $5`."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.words import content_words

NEAR = 60
MAX_RESULTS = 20

_GIVES = r"(?:giv(?:es?|ing)|yield(?:s|ed|ing)?|mak(?:es?|ing)|produc(?:es?|ing)|leav(?:es?|ing)|bring(?:s|ing)?)"
_EQUALS = r"(?:equal(?:s|l?ed|l?ing)?|result(?:s|ed|ing)?\s+in|mean(?:s|ing)|impl(?:y|ies|ied|ying))"
_ADDS = r"(?:add(?:s|ed|ing)?|sum(?:s|med|ming)?|amount(?:s|ed|ing)?|total(?:l?ed|l?ing)?)"
_COMES = rf"(?:com(?:es?|ing)|came|work(?:s|ed|ing)?|{_ADDS})"
_COMES_TO = rf"{_COMES}(?:\s+(?:out|up))?\s+(?:to|at)"
_REACHES = r"(?:gets?|getting|obtain(?:s|ed|ing)?|arriv(?:es?|ed|ing)\s+at|end(?:s|ed|ing)?\s+up\s+(?:with|at))"
_TOTALS = r"(?:total(?:s|l?ed|l?ing)?(?=[\s(*]*[-$€£¥₹\d]))"
_SUM_IS = r"(?:sum|total|result|answer|quotient|difference|remainder)\s+(?:is|was)"
_SO = r"(?:(?<!or\s)so(?!\s+far)|therefore|thus|hence|together|altogether|combined|in\s+(?:total|all|sum))"
_PASSIVE = r"(?<!is\s)(?<!are\s)(?<!was\s)(?<!were\s)(?<!be\s)(?<!been\s)"
_VERB = rf"{_PASSIVE}\b(?:{_GIVES}|{_EQUALS}|{_COMES_TO}|{_REACHES}|{_TOTALS})"
_NOUN = r"(?:,|\bfor|\bor)\s+(?:an?|the)\s+(?=(?:\w+\s+){0,2}(?:total|sum|ratio|difference|remainder|result)\s+of\b)"
_FOR_ALL = r"\bfor\s+(?=(?:\w+\s+){0,2}(?:total|combined|overall|aggregate)\b)"
_CUE = rf"(?:{_VERB}|\b{_SUM_IS}|\b{_SO})(?![\w-])(?!\s+(?:by|from|with)\b)"
_RESULT = re.compile(rf"{_CUE}|{_NOUN}|{_FOR_ALL}", re.IGNORECASE)
_THAT_IS = re.compile(r"^\)?,?\s+(?:or|i\.?e\.?,?|that\s+is,?)\s+(?:\w+ly\s+|about\s+)?$", re.IGNORECASE)
_OPERATOR = re.compile(r"\b(?:plus|minus|less|over|times|divided\s+by|multiplied\s+by)\b", re.IGNORECASE)
_IN_ALL = re.compile(r"\s*(?:altogether|combined|in\s+(?:total|all))\b", re.IGNORECASE)
_GOES_ON = re.compile(r"\W*(?:together|combined|added|adding|plus)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:]|\b(?:and|but|while|whereas|which|that|so)\b", re.IGNORECASE)
_PROCESS = content_words(
    """
    total sum summing add adding addition combine combined combining together altogether result answer value amount
    figure item component part them calculation calculate compute divide dividing division subtract subtracting multiply
    difference remainder quotient ratio approximately about roughly around nearly exactly million billion thousand usd
    """
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An amount that may answer, by its index, and the words by which it is named."""

    index: int
    name: str


def first_after(amounts: Sequence[Amount], end: int) -> int | None:
    """The index of the first amount that starts behind `end`, if it is near."""
    index = bisect_left(amounts, end - 1, key=lambda amount: amount.start)
    return index if index < len(amounts) and amounts[index].start - end < NEAR else None


def subject(text: str, amounts: Sequence[Amount], cue: int) -> str:
    """What is said to come to something at `cue`: all before it, or its own clause where another amount stands before.

    Words right behind an amount are that amount's: `$5 million of debt gives …`.
    """
    index = bisect_left(amounts, cue, key=lambda amount: amount.end)
    index -= index == len(amounts) or amounts[index].end > cue
    if index < 0:
        return text[:cue]
    _, *clauses = _CLAUSE.split(text[amounts[index].end : cue])
    return clauses[-1] if clauses else ""


def results(text: str, amounts: Sequence[Amount]) -> Iterator[Candidate]:
    """The amounts that something told before them comes to, last first."""
    for cue in list(_RESULT.finditer(text))[: -MAX_RESULTS - 1 : -1]:
        index = first_after(amounts, cue.end())
        if index is not None and amounts[0].end <= cue.start() + 1:
            yield Candidate(index, f"{subject(text, amounts, cue.start())} {text[cue.end() : amounts[index].start]}")
    gaps = [text[first.end : second.start] for first, second in pairwise(amounts)]
    for index, amount in enumerate(amounts[1:], 1):
        operated = index > 1 and _OPERATOR.search(gaps[index - 2]) and _THAT_IS.match(gaps[index - 1])
        if operated or _IN_ALL.match(text, amount.end):
            yield Candidate(index, "")


def comes_to(text: str, amounts: Sequence[Amount]) -> bool:
    """Whether a sentence tells what the ones before it come to: `Together that makes $5 million`."""
    if _GOES_ON.match(text) and any(not named(result) for result in results(text, amounts)):
        return True
    cues = [cue for cue in _RESULT.finditer(text) if cue.end() <= amounts[0].start + 1]
    if not cues or amounts[0].start - cues[-1].end() >= NEAR:
        return False
    cue = cues[-1]
    around = f"{text[: cue.start()]} {text[cue.end() : amounts[0].start]}"
    return not content_words(around) - _PROCESS


def named(candidate: Candidate) -> frozenset[str]:
    """The words by which a result is told from its parts, without those of calculating."""
    return content_words(candidate.name) - _PROCESS
