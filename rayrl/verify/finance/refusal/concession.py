"""Does a sentence that says what is lacking answer all the same: `It is not stated, but net debt was $3 billion`?"""

import re
from collections.abc import Callable

from rayrl.verify.finance.reading.amounts import Amount, amounts_in
from rayrl.verify.finance.reading.trend import MOVED

_TURN = re.compile(
    r"[:;]\s+|,?\s+(?:but|yet|however)\b,?\s*"
    r"|,\s+(?:(?:and\s+)?so\b(?!\s+(?:it|the|this|that)\s+(?:would|will)\b)|therefore|thus|hence|consequently"
    r"|which\s+means(?:\s+that)?|meaning(?:\s+that)?|which|(?=it(?:'s|\s+is|\s+was)\s)|excluding|while|though|although)"
    r"\b,?\s*",
    re.IGNORECASE,
)
_CONCEDES = re.compile(
    r"^\W*(?:al|even\s+)?(?:though|while|whereas|despite|whether|since|because|as|without|with|in\s+the\s+absence"
    r"|subject"
    r"|for\s+(?:lack|want)|given|if|assuming|using|taking|excluding|ignoring|adding)\b",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s+(?!\d)")
_REPORTS = re.compile(
    r"^\W*(?:(?:only|and|instead|rather|all)\s+)*(?:the|this|that|it|they|these|those|what|I|we)\b[^,;:]{0,60}?"
    r"\b(?:mentions?|mentioned|discuss\w*|relates?|gives?|given|provides?|provided|contains?|covers?|lists?|includes?"
    r"|refers?|talks?|states?|says|shows?|reports?|describes?|offers?|details?|(?<!the\s)notes?|indicates?|presents?"
    r"|have|has|see|know|find)\b",
    re.IGNORECASE,
)
_IS_REPORTED = re.compile(
    r"^\W*only\b|\b(?:is|are|was|were)\s+(?:only\s+)?"
    r"(?:stated|reported|shown|mentioned|provided|given|listed|discussed|included)\b",
    re.IGNORECASE,
)
_TENTATIVE = re.compile(
    r"\b(?:would|could|should(?!\s+be)|might|if|you|need(?:s|ed)?|please|requires?)\b", re.IGNORECASE
)
_WHETHER = re.compile(r"\b(?:whether|if|why|how|what)\b", re.IGNORECASE)
_CAUSE = re.compile(r",?\s+(?:as|because|since|due\s+to|owing\s+to)\b", re.IGNORECASE)
_EXPLAINS = re.compile(
    r"^\W*(?:the|its)\s+(?:\w+\s+)?(?:reasons?|causes?|drivers?|factors?)\s+(?:was|were|is|are)\b"
    r"(?!\s+(?:\w+\s+)?(?:not|un\w+|never|missing)\b)(?!n't)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^\W*(?:(?:it|that|(?:the\s+)?(?:final\s+)?(?:answer|result|ratio|value|figure|amount|number))"
    r"\s*(?:is|was|'s|:|=|would\s+be|should\s+be)\s*)?"
    r"(?:(?:about|roughly|approximately|around|nearly|some|between)\s+)?[-($]*$",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"^\W*(?:the\s+)?(?:cash\s+flow|balance\s+sheet|income\s+statement|notes?)\b", re.IGNORECASE)
_TELLS = re.compile(
    r"^\W*(?:it|they|the\s+company)\s+(?:\w+ed|bought|sold|took|made|had|became)\b"
    r"|\b(?:is|was|are|were)\s+the\s+\w+est\b",
    re.IGNORECASE,
)
_IS = re.compile(r"^\W*(?:it|the\s+company)\s+(?:is\s+an?|has\s+no|sells|makes)\b", re.IGNORECASE)
_THOUGH = re.compile(r",\s+(?:even\s+)?(?:excluding|which|although|though|albeit|even\s+if)\b", re.IGNORECASE)
_EXACT = re.compile(
    r"\b(?:exact(?:ly)?|precise(?:ly)?|official|verif(?:y|ied)|double-check|confirm(?:ed)?|certain|sure|excludes"
    r"|ignores)"
    r"\b",
    re.IGNORECASE,
)
NONE = re.compile(
    r"\b(?:zero|nil|none)\b|^\W*(?:yes|no)\b"
    r"|^\W*there\s+(?:is|are|was|were)\s+no\b(?!.*\b(?:way|basis|answer|data|information)\b)",
    re.IGNORECASE,
)
_CONSTANTS = frozenset((1, 2, 3, 4, 5, 100, 360, 365))


def is_figure(amount: Amount) -> bool:
    """Whether an amount is other than a year, or the 2, 100 or 365 of a formula."""
    if amount.year_like:
        return False
    return not amount.bare or amount.step < 1 or amount.currency is not None or abs(amount.written) not in _CONSTANTS


def reports(text: str) -> bool:
    """Whether a clause tells what a source gives: `it only mentions revenue of $5 million`."""
    return bool(_REPORTS.search(text) or _IS_REPORTED.search(text))


def _clauses(text: str) -> list[str]:
    """The parts of a sentence between the words by which it turns; behind `Although …`, also between its commas."""
    parts = _TURN.split(text)
    if _CONCEDES.match(text):
        parts = [piece for part in parts for piece in _COMMA.split(part)]
    return [part for part in parts if part.strip()]


def _answers(clause: str) -> bool:
    if (reports(clause) and not _ELSEWHERE.match(clause)) or _TENTATIVE.search(clause):
        return False
    moved = MOVED.search(clause)
    return (
        any(map(is_figure, amounts_in(clause)))
        or bool(NONE.search(clause) or _TELLS.search(clause))
        or (moved is not None and not _WHETHER.search(clause[: moved.start()]))
    )


def opens_with_figure(text: str) -> bool:
    """Whether a sentence gives a figure at once: `About 8%, …`, `It was 17.98.`"""
    first = next(iter(amounts_in(text)), None)
    return first is not None and is_figure(first) and bool(_LEAD.match(text[: first.start]))


def answers_anyway(text: str, lacks: Callable[[str], bool]) -> bool:
    """Whether a clause after one that `lacks` answers, or what is lacking is only the cause of what is told."""
    clauses = _clauses(text)
    lacking = [lacks(clause) for clause in clauses]
    if True not in lacking:
        return False
    first = lacking.index(True)
    if any(
        not short and _answers(clause) for clause, short in zip(clauses[first + 1 :], lacking[first + 1 :], strict=True)
    ):
        return True
    if _EXPLAINS.match(text) or opens_with_figure(text):
        return True
    if any(map(_answers, clauses[:first])) and (_THOUGH.search(text) or _EXACT.search(clauses[first])):
        return True
    told, *cause = _CAUSE.split(text, maxsplit=1)
    moved = MOVED.search(told) or NONE.search(told)
    if cause and _IS.match(cause[0]):
        return True
    return bool(cause and moved) and not _WHETHER.search(told) and not lacks(told)
