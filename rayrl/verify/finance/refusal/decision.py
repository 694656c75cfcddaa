"""Does a text say that it cannot answer? Patterns over its first and last sentences; a conclusion outweighs them."""

import re
from collections.abc import Sequence

from rayrl.verify.finance.reading.cues import CONCLUDES
from rayrl.verify.finance.reading.polarity import opens_with_yes_or_no
from rayrl.verify.finance.reading.sentences import Sentence
from rayrl.verify.finance.refusal.concession import MOVED, NONE, is_figure, opens_with_figure, reports
from rayrl.verify.finance.refusal.hints import hints
from rayrl.verify.finance.refusal.sentence import (
    MAX_SENTENCE,
    denies_access,
    is_background,
    is_heading,
    missing,
    refers,
    without_basis,
)

_PROCEDURE = re.compile(
    r"^\W*(?:to\s+(?:\w+\s+)?(?:answer|assess|calculate|compute|determine|evaluate|find|get|obtain|provide)\b|in\s+order\s+to\b"
    r"|if\s+(?:I|we|you|one)\s+had\b|here(?:'s|\s+is)\s+how\b|I\s+can\s+(?:explain|show|outline|guide|help)\b"
    r"|calculating\b|the\s+calculation\b|(?:[\w'&-]+\s+){1,12}(?:can|would)\s+be\s+(?:calculated|computed|determined|found)\b"
    r"|as\s+an?\s+(?:\w+\s+){0,3}(?:analyst|AI|banker|assistant)\b|the\s+(?:relevant\s+evidence|\w+\s+(?:only\s+)?(?:provides|discusses))\b)",
    re.IGNORECASE,
)
_TENTATIVE = re.compile(
    r"\b(?:would|could|should|if|typically|you|likely|need(?:ed|s)?|necessary|recommend(?:ed)?|consult|refer)\b",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"^\W*(?:(?:finally|so|then|thus|therefore|lastly|\d+\.)\b,?\s*)*(?:(?:we|you|one)\s+(?:can|must|may|will)\s+)?(?:then\s+)?"
    r"(?:divide|multiply|subtract|add|take|use|apply|round(?:ed|ing)?|calculate|compute|find|locate|plug|get|obtain|look|compare|express)\b"
    r"|\b(?:can|must|may|will)\s+(?:then\s+)?be\s+(?:found|calculated|computed|determined|obtained|rounded)\b|\brounded\s+to\b",
    re.IGNORECASE,
)
_ASSUMED = re.compile(
    r"\b(?:(?:we|I|us|let's)\s+assume|assumed|assumption|hypothetical\w*|for\s+example|illustrat\w+|let's\s+say|suppose)\b",
    re.IGNORECASE,
)
_DEAD_END = re.compile(
    r"\b(?:cannot|can't|can\s+not|could\s+not|couldn't|not\s+feasible\s+to|unable\s+to|n't\s+able\s+to|not\s+able\s+to|not\s+possible\s+to|impossible\s+to|don't\s+know|difficult\s+to"
    r"|not\s+(?:possible|feasible|computable|calculable|determinable)|incalculable|unanswerable|(?:is|are|remains?)\s+un(?:known|determined|clear)|(?:I|we)\s+(?:do\s+not|don't)\s+have)\b",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"^\W*(?:given|considering|nevertheless|nonetheless|still|even\s+so)\b(?!.*\b(?:lack|limited|absence)\b)",
    re.IGNORECASE,
)
_PRECISE = re.compile(
    r"\b(?:pinpoint|definitive(?:ly)?|conclusive(?:ly)?|precise(?:ly)?|exact\s+(?:cause|impact|effect)|outlook|forecasts?|future|comparison|peers|industry)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:you\s+(?:would|will|'ll|'d|need|should|can\s+(?:use|plug|access|find|apply))|(?:once|if)\s+you|one\s+would\s+need"
    r"|please\s+(?:refer|consult|provide|check)|otherwise|can\s+be\s+found|(?:usually|typically)\s+(?:found|file|available|reported))\b",
    re.IGNORECASE,
)
_ASKS_FIGURES = re.compile(
    r"\b(?:please|you\s+(?:can|could)|if\s+you|once\s+you|when\s+you)\s+(?:\w+\s+)?(?:provide|have\s+(?:access|the|these|this))\b"
    r"|\b(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?(?:provide|share|send|supply|give|tell|upload|paste)\b"
    r"|\b(?:please|kindly)\s+(?:send|share|supply|upload|paste)\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:keep\s+in\s+mind|(?:worth|important\s+to)\s+(?:not|mention|consider|remember)\w*|(?:would|will|may|might|could)\s+(?:also\s+)?"
    r"(?:be\s+(?:found|worth|helpful|useful)|need\s+to|typically|have\s+to)|(?:can|should)\s+(?:be\s+found|have\s+it|contain)"
    r"|(?:usually|typically|generally|often)\b|feel\s+free)",
    re.IGNORECASE,
)
_TURNS = re.compile(
    r"^\W*(?:however|but|unfortunately|regrettably|beyond\s+(?:this|that)|apart\s+from\s+(?:this|that))\b"
    r"|,\s+(?:however|though|unfortunately)\b",
    re.IGNORECASE,
)
_WORKS_OUT = re.compile(r"^\W*(?:but\s+)?(?:using|dividing|taking|adding|subtracting)\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"^\W*however,?\s+(?:(?:we|I)\s+can\b(?!\s+(?:\w+\s+)?(?:help|guide|assist|explain|provide|show|walk|offer|outline|give|use\s+the\s+(?:\w+\s+)?formula))|based\s+on|using|in\s+(?:FY|fiscal|20))",
    re.IGNORECASE,
)
_NONE_WERE = re.compile(
    r"^\W*(?:none|no\s+\w+|nothing)\s+(?:was|were)\s+(?:paid|made|recorded|incurred|issued|declared)\b", re.IGNORECASE
)
_RESULT = re.compile(
    r"=|≈|\\approx|\b(?:approximately|is|was|estimate)\b|\bit's\b|\b(?:works?\s+out|comes?|came|amounts?)\s+(?:to|at)\b|\b(?:equals|gives|yields)\b",
    re.IGNORECASE,
)
MAX_SHORT = 4


def _concludes(sentence: Sentence) -> bool:
    """Whether a sentence draws a conclusion: not a step to take, such as `Finally, divide both`."""
    text = sentence.text[:MAX_SENTENCE]
    if not CONCLUDES.search(text) or is_heading(text) or _TENTATIVE.search(text) or missing(text):
        return False
    return _figures(sentence) or not _STEP.search(text)


def _advises(text: str) -> bool:
    return refers(text) or bool(_ADVICE.search(text))


def _figures(sentence: Sentence) -> bool:
    """Whether a sentence has figures other than years and the 2, 100 or 365 of a formula."""
    return any(map(is_figure, sentence.amounts))


def _has_result(sentence: Sentence) -> bool:
    """Whether a sentence gives a figure of its own."""
    return _figures(sentence) and bool(_RESULT.search(sentence.text)) and not missing(sentence.text[:MAX_SENTENCE])


def _asserts(sentence: Sentence) -> bool:
    """Whether a sentence states a result in its own name: neither what a source gives, nor a step, nor a condition."""
    text = sentence.text[:MAX_SENTENCE]
    if not (_figures(sentence) or NONE.search(text)) or missing(text) or _TENTATIVE.search(text):
        return False
    if "=" in text or _NONE_WERE.match(text):
        return True
    told = _RESULT.search(text) or MOVED.search(text)
    return bool(told) and not (reports(text) or _STEP.search(text) or is_background(text))


def _may_well(listed: Sequence[Sentence]) -> bool:
    """Whether a short response has no figure and hints at no answer: at once, or after what a source tells."""
    if len(listed) > MAX_SHORT or any(map(_figures, listed)):
        return False
    texts = [without_basis(sentence.text[:MAX_SENTENCE]) for sentence in listed]
    return hints(texts[0]) or (reports(texts[0]) and hints(texts[-1]))


def is_refusal(listed: Sequence[Sentence]) -> bool:
    """Whether a response declines to answer.

    It does where it opens by saying that something is missing, or opens with how one would proceed and ends without
    an answer, or ends by saying that no answer is possible; and draws no conclusion after that.
    """
    if not listed:
        return False
    texts = [sentence.text[:MAX_SENTENCE] for sentence in listed]
    if opens_with_figure(texts[0]):
        return False
    if denies_access(texts[0]):
        return True
    if _ASKS_FIGURES.search(texts[-1]):
        return not _asserts(listed[0])
    if opens_with_yes_or_no(texts[0]) or (len(texts) > 1 and _asserts(listed[-1])):
        return False
    goes_on = not missing(texts[-1]) and any(
        (_GOES_ON.search(sentence.text) or (_WORKS_OUT.search(sentence.text) and _has_result(sentence)))
        and not missing(sentence.text[:MAX_SENTENCE])
        for sentence in listed[1:4]
    )
    if goes_on or any(map(_concludes, listed[-3:])):
        return False
    if _may_well(listed):
        return True
    opening = next((text for text in texts if not (is_background(text) or is_heading(text))), texts[0])
    has_result = any(map(_has_result, listed))
    if missing(texts[0]) or (not has_result and (missing(opening) or refers(opening))):
        return True
    while len(texts) > 1 and _advises(texts[-1]) and not _DEAD_END.search(texts[-1]):
        texts.pop()
    late = [text for text in texts[len(texts) // 2 :] if missing(text) and not _PRECISE.search(text)]
    tail = [text for text in texts[-2:] if missing(text) and not _PRECISE.search(text)]
    ends = tail if has_result else late + tail
    if not has_result and tail and tail[-1] == texts[-1] and _TURNS.search(texts[-1]):
        return True
    if any(map(_DEAD_END.search, ends)) and not _GIVEN.match(texts[-1]):
        return True
    if not (_PROCEDURE.search(texts[0]) or is_background(texts[0])):
        return False
    if any(map(_has_result, listed[-4:])) and not any(map(_ASSUMED.search, texts)):
        return False
    return bool(tail or missing(texts[min(1, len(texts) - 1)])) or any(_ASKS.search(s.text) for s in listed[-2:])


def names_what_is_missing(listed: Sequence[Sentence]) -> bool:
    """Whether any sentence says that something is missing: enough where a response has no answer at all."""
    return any(missing(sentence.text[:MAX_SENTENCE]) for sentence in listed)
