"""Zero in words: `nil`, `No impairment was recorded`, `The company did not pay any dividends`."""

import re
from collections.abc import Iterator
from fractions import Fraction

from rayrl.verify.finance.reading.amounts import Amount, amounts_in
from rayrl.verify.finance.reading.dates import dates_in, only_year
from rayrl.verify.finance.reading.words import content_words
from rayrl.verify.finance.refusal.hints import hint
from rayrl.verify.finance.refusal.sentence import MAX_SENTENCE, missing

_CLAUSE = re.compile(
    r"[,;(]|\b(?:but|while|whereas|although|though|however|compared|versus|vs|against|after|and)\b", re.IGNORECASE
)
_COMPARES = re.compile(
    r"^\W*(?:compared|versus|vs|against|after|while|whereas|down|unlike|(?:19|20)\d\d\W)", re.IGNORECASE
)
_WORD = r"(?<!non-)(?<!not )(?<!n't )\b(?:nil|none|zero|nothing)\b"
_DASH = r"(?<![\w)])[$€£]\s?-(?!\s?[\w(])|^\W*-\W*$"
_NIL = re.compile(rf"{_WORD}|{_DASH}", re.IGNORECASE)
_NO = re.compile(r"(?:\b(?:no|not|never|without)|n't)\s+(?!only\b|just\b)", re.IGNORECASE)
_UNTOLD = re.compile(
    r"\b(?:mention|disclos|stat|specif|provid|found|find|list|shown|giv|discuss|indicat|identif|visible)\w*",
    re.IGNORECASE,
)
_PARTLY = re.compile(
    r"\b(?:further|additional|other|more|longer|significant|material|full|entire|all|solely|only|less|until|yet)\b",
    re.IGNORECASE,
)


def _clauses(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for end in (*(match.start() for match in _CLAUSE.finditer(text)), len(text)):
        yield start, end
        start = end


def _figures(clause: str) -> bool:
    return any(not amount.year_like for amount in amounts_in(clause))


def _is_of(year: int | None, clause: str) -> bool:
    """Whether a clause may be about the year that is asked for."""
    years = {date.year for date in dates_in(clause) if date.year}
    return not (year and years) or year in years


def _is_zero(clause: str, asked: frozenset[str]) -> bool:
    """Whether a clause says that there was nothing of what is asked for."""
    nil = _NIL.search(clause)
    if nil:
        return not content_words(clause[: nil.start()]) or bool(asked & content_words(clause))
    no = _NO.search(clause)
    if no is None or _PARTLY.search(clause) or _UNTOLD.search(clause):
        return False
    return bool(asked & content_words(clause[no.end() :]))


def zero_in(text: str, question: str) -> Amount | None:
    """The zero that one sentence says in words of what `question` asks for.

    None where it tells nothing, only of another year or only a part, gives an amount besides, other than to compare, or
    says that it cannot tell.
    """
    if len(text) > MAX_SENTENCE or missing(text) or hint(text):
        return None
    year = only_year(question)
    asked = frozenset(word for word in content_words(question) if not word.isdigit())
    about = [(start, end) for start, end in _clauses(text) if _is_of(year, text[start:end])]
    if any(_figures(text[start:end]) and not _COMPARES.match(text[start:end]) for start, end in about):
        return None
    found = (span for span in about if _is_zero(text[slice(*span)], asked))
    return next((Amount(Fraction(0), Fraction(1), Fraction(1), start=start, end=end) for start, end in found), None)
