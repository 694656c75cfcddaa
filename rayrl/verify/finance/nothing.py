"""Zero in words: `nil`, `No impairment was recorded`, `The company did not pay any dividends`."""

import re
from fractions import Fraction

from rayrl.verify.finance.amounts import Amount, amounts_in
from rayrl.verify.finance.dates import dates_in, only_year
from rayrl.verify.finance.hints import hints
from rayrl.verify.finance.lacking import lacks
from rayrl.verify.finance.wording import content_words

MAX_SENTENCE = 1000

_CLAUSE = re.compile(
    r"[,;(]|\b(?:but|while|whereas|although|though|however|compared|versus|vs|against|after|and)\b", re.IGNORECASE
)
_NIL = re.compile(r"\b(?:nil|none|zero|nothing)\b|(?<![\w)])[$€£]\s?-(?!\s?[\w(])|^\W*-\W*$", re.IGNORECASE)
_NO = re.compile(
    r"(?:\b(?:no|not|never|without)|n't)\s+(?!only\b|just\b|(?:yet\s+)?(?:be|been)\s+(?:determined|disclosed)\b)", re.IGNORECASE
)
_PARTIAL = re.compile(
    r"\b(?:further|additional|other|more|longer|significant|material|full|entire|all|solely|only|less|until|yet|such\s+\w+\s+as)\b",
    re.IGNORECASE,
)


def _is_zero(clause: str, question: str) -> bool:
    """Whether a clause says that nothing of what is asked for was there, in the year that is asked for."""
    year = only_year(question)
    years = {date.year for date in dates_in(clause) if date.year}
    if (year and years and year not in years) or any(not amount.year_like for amount in amounts_in(clause)):
        return False
    nil = _NIL.search(clause)
    asked = content_words(question)
    if nil:
        return not content_words(clause[: nil.start()]) or bool(asked & content_words(clause))
    no = _NO.search(clause)
    return no is not None and not _PARTIAL.search(clause) and bool(asked & content_words(clause[no.end() :]))


def zeros_in(text: str, question: str) -> list[Amount]:
    """The zeros that one sentence says in words of what `question` asks for; none where it says that it cannot tell."""
    if len(text) > MAX_SENTENCE or lacks(text) or hints(text):
        return []
    found, start = [], 0
    for end in (*(match.start() for match in _CLAUSE.finditer(text)), len(text)):
        if _is_zero(text[start:end], question):
            found.append(Amount(Fraction(0), Fraction(1), Fraction(1), start=start, end=end))
        start = end
    return found
