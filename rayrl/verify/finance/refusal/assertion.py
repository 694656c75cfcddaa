"""Does one sentence answer: give a figure of its own, state a result, draw a conclusion?"""

import re

from rayrl.verify.finance.reading.sentences import CONCLUDES, Sentence
from rayrl.verify.finance.reading.trend import MOVED
from rayrl.verify.finance.refusal.concession import NONE, is_figure, reports
from rayrl.verify.finance.refusal.sentence import MAX_SENTENCE, is_background, is_heading, missing

_TENTATIVE = re.compile(
    r"\b(?:would|could|should|if|typically|you|likely|need(?:ed|s)?|necessary|recommend(?:ed)?|consult|refer)\b",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"^\W*(?:(?:finally|so|then|thus|therefore|lastly|\d+\.)\b,?\s*)*"
    r"(?:(?:we|you|one)\s+(?:can|must|may|will)\s+)?(?:then\s+)?"
    r"(?:divide|multiply|subtract|add|take|use|apply|round(?:ed|ing)?|calculate|compute|find|locate|plug|get|obtain"
    r"|look"
    r"|compare|express)\b"
    r"|\b(?:can|must|may|will)\s+(?:then\s+)?be\s+(?:found|calculated|computed|determined|obtained|rounded)\b"
    r"|\brounded\s+to\b",
    re.IGNORECASE,
)
_NONE_WERE = re.compile(
    r"^\W*(?:none|no\s+\w+|nothing)\s+(?:was|were)\s+(?:paid|made|recorded|incurred|issued|declared)\b", re.IGNORECASE
)
_RESULT = re.compile(
    r"=|≈|\\approx|\b(?:approximately|is|was|estimate)\b|\bit's\b"
    r"|\b(?:works?\s+out|comes?|came|amounts?)\s+(?:to|at)\b|\b(?:equals|gives|yields)\b",
    re.IGNORECASE,
)


def has_figure(sentence: Sentence) -> bool:
    """Whether a sentence has figures other than years and the 2, 100 or 365 of a formula."""
    return any(map(is_figure, sentence.amounts))


def has_result(sentence: Sentence) -> bool:
    """Whether a sentence gives a figure of its own."""
    return has_figure(sentence) and bool(_RESULT.search(sentence.text)) and not missing(sentence.text[:MAX_SENTENCE])


def asserts(sentence: Sentence) -> bool:
    """Whether a sentence states a result in its own name: neither what a source gives, nor a step, nor a condition."""
    text = sentence.text[:MAX_SENTENCE]
    if not (has_figure(sentence) or NONE.search(text)) or missing(text) or _TENTATIVE.search(text):
        return False
    if "=" in text or _NONE_WERE.match(text):
        return True
    told = _RESULT.search(text) or MOVED.search(text)
    return bool(told) and not (reports(text) or _STEP.search(text) or is_background(text))


def concludes(sentence: Sentence) -> bool:
    """Whether a sentence draws a conclusion: not a step to take, such as `Finally, divide both`."""
    text = sentence.text[:MAX_SENTENCE]
    if not CONCLUDES.search(text) or is_heading(text) or _TENTATIVE.search(text) or missing(text):
        return False
    return has_figure(sentence) or not _STEP.search(text)
