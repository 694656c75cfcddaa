"""Does a text say that it cannot answer? Patterns over its first and last sentences; a conclusion outweighs them."""

import re
from collections.abc import Sequence

from rayrl.verify.finance.cues import CONCLUDES
from rayrl.verify.finance.sentences import Sentence

MAX_SENTENCE = 1000

_SOURCE = (
    r"(?:texts?|filings?|documents?|contexts?|information|excerpts?|passages?|data|reports?|exhibits?|evidence|statements?|"
    r"materials?|details?|10-[KQ]|8-K|tables?|sources?|snippets?|pages?|graph|question|pieces|content)"
)
_TELL = r"(?:provide|include|contain|mention|specify|give|disclose|state|offer|detail|address|cover|supply|present)"
_LACKS = (
    rf"(?:(?:does|do|did)(?:\s+not|n't)\s+(?:\w+\s+){{0,2}}?(?:{_TELL}|(?:appear|seem)\s+to\s+(?:\w+\s+)?{_TELL}"
    r"|have\s+(?:\w+\s+){0,2}(?:information|data|details?))"
    r"|lacks?\b|(?:is|are)\s+(?:missing|insufficient|not\s+sufficient))"
)
_FIND = (
    r"(?:determined?|calculated?|answer(?:ed)?|provided?|assess(?:ed)?|computed?|find|found|derived?|give|estimated?"
    r"|confirm(?:ed)?|located?|identif(?:y|ied)|extract(?:ed)?|evaluated?|verif(?:y|ied)|access(?:ed)?)"
)
_STRONG = re.compile(
    rf"""
    \b{_SOURCE}\b[^.;]{{0,120}}?\b{_LACKS}
    |\bno\s+(?:\w+\s+){{0,2}}?(?:information|data|details?)\b[^.]{{0,60}}
        \b(?:about|on|regarding|of|for|available|provided|given|related)\b
    |\b(?:is|are|was|were)(?:\s+not|n't)\s+(?:\w+\s+){{0,2}}?
        (?:provided|included|specified|mentioned|available|disclosed|given|contained|possible|present|stated|found|shown|listed|detailed)\b
    |\b(?:cannot|can\s+not|can't|could\s+not|couldn't)\s+(?:\w+\s+){{0,2}}?(?:be\s+(?:\w+\s+)?)?{_FIND}\b
    |\b(?:unable|impossible|not\s+able|not\s+possible|not\s+feasible|difficult)\s+to\s+(?:\w+\s+)?{_FIND}\b
    |\b(?:I|we)\s+(?:do(?:\s+not|n't)|cannot|can't)\s+(?:have|know|access|find|see|provide|retrieve)\b
    |\b(?:I|we|you|one)\s*(?:'d|would)\s+(?:\w+\s+)?need\b
    |\b(?:not|n't)\s+(?:\w+\s+)?(?:enough|sufficient)\s+(?:\w+\s+)?(?:information|data|context|details?)
    |\binsufficient\s+(?:information|data|context|details?)
    |\b(?:more|additional|further|specific)\s+(?:\w+\s+){{0,2}}(?:information|data|context|details?)\s+
        (?:is|are|would\s+be)\s+(?:needed|required|necessary)
    |\b(?:if|once|please)\s+(?:you\s+)?(?:can\s+|could\s+)?provide\b
    |\bwithout\s+(?:\w+\s+){{0,3}}(?:information|data|figures|documents|context|details)\b[^.]*
        \b(?:cannot|can't|not\s+possible|unable|impossible)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_APOLOGY = re.compile(
    r"^\W*(?:I\s+don't\s+know|I\s+do\s+not\s+know|(?:I(?:'m|\s+am)\s+(?:sorry|afraid)|I\s+apologi[sz]e|sorry\b|unfortunately)"
    r".*?(?:\b(?:not|no|cannot|unable|cut\s+off|lacks?|missing)\b|n't\b))",
    re.IGNORECASE | re.DOTALL,
)
_NO_ACCESS = re.compile(
    r"\b(?:as\s+an\s+AI|as\s+of\s+my\s+last\s+(?:knowledge\s+)?update|knowledge\s+cut-?off)\b[^.]*\b(?:not|n't)\b[^.]*\b(?:access|real-time|specific\s+financial)\b"
    r"|\b(?:do(?:es)?\s+not|doesn't|don't)\s+have\s+(?:the\s+ability\s+to\s+|direct\s+|real-time\s+)*access\b",
    re.IGNORECASE,
)
_PROCEDURE = re.compile(
    r"^\W*(?:to\s+(?:\w+\s+)?(?:answer|assess|calculate|compute|determine|evaluate|find|get|obtain|provide)\b|in\s+order\s+to\b"
    r"|calculating\b|the\s+calculation\b|(?:[\w'&-]+\s+){1,12}(?:can|would)\s+be\s+(?:calculated|computed|determined|found)\b"
    r"|as\s+an?\s+(?:\w+\s+){0,3}(?:analyst|AI|banker|assistant)\b|the\s+(?:relevant\s+evidence|\w+\s+(?:only\s+)?(?:provides|discusses))\b)",
    re.IGNORECASE,
)
_TENTATIVE = re.compile(
    r"\b(?:would|could|should|if|typically|you|likely|need(?:ed|s)?|necessary|recommend(?:ed)?|consult|refer)\b",
    re.IGNORECASE,
)
_ASSUMED = re.compile(r"\b(?:assum\w+|hypothetical\w*|for\s+example|illustrat\w+|let's\s+say|suppose)\b", re.IGNORECASE)
_DEAD_END = re.compile(
    r"\b(?:cannot|can't|can\s+not|could\s+not|couldn't|not\s+feasible\s+to|unable\s+to|not\s+possible\s+to|impossible\s+to|don't\s+know|difficult\s+to)\b",
    re.IGNORECASE,
)
_PRECISE = re.compile(
    r"\b(?:pinpoint|definitive(?:ly)?|conclusive(?:ly)?|precise(?:ly)?|exact\s+(?:cause|impact|effect))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:you\s+(?:would|will|'ll|'d|need|should|can\s+(?:use|plug|access|find|apply))|(?:once|if)\s+you|one\s+would\s+need"
    r"|please\s+(?:refer|consult|provide|check)|otherwise)\b",
    re.IGNORECASE,
)
_ASKS_FIGURES = re.compile(
    r"\b(?:please|you\s+(?:can|could)|if\s+you|once\s+you|when\s+you)\s+(?:\w+\s+)?(?:provide|have\s+(?:access|the|these|this))\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"^\W*however,?\s+(?:we\s+can|I\s+can|based\s+on|using|in\s+(?:FY|fiscal|20))", re.IGNORECASE)


def _lacks(text: str) -> bool:
    """Whether one sentence says that what is asked for is not there."""
    return bool(_STRONG.search(text) or _APOLOGY.search(text) or _NO_ACCESS.search(text))


def _concludes(text: str) -> bool:
    return bool(CONCLUDES.search(text)) and not _TENTATIVE.search(text) and not _lacks(text)


def _has_result(sentence: Sentence) -> bool:
    """Whether a sentence gives a figure of its own: not the 2, 100 or 365 of a formula without figures."""
    figures = any(abs(amount.written) not in _CONSTANTS and not amount.year_like for amount in sentence.amounts)
    return figures and bool(_RESULT.search(sentence.text)) and not _lacks(sentence.text[:MAX_SENTENCE])


_CONSTANTS = frozenset((0, 1, 2, 3, 4, 5, 12, 100, 360, 365))
_RESULT = re.compile(r"=|≈|\\approx|\b(?:approximately|is|was|estimate)\b", re.IGNORECASE)


def is_refusal(listed: Sequence[Sentence]) -> bool:
    """Whether a response declines to answer.

    It does where it opens by saying that something is missing, or opens with how one would proceed and ends without
    an answer, or ends by saying that no answer is possible; and draws no conclusion after that.
    """
    if not listed:
        return False
    texts = [sentence.text[:MAX_SENTENCE] for sentence in listed]
    if _NO_ACCESS.search(texts[0]) or _ASKS_FIGURES.search(texts[-1]):
        return True
    goes_on = any(_GOES_ON.search(text) and not _lacks(text) for text in texts[1:4]) and not _lacks(texts[-1])
    if goes_on or any(_concludes(text) for text in texts[-3:]):
        return False
    if _lacks(texts[0]):
        return True
    tail = [text for text in texts[-2:] if _lacks(text) and not _PRECISE.search(text)]
    if any(_DEAD_END.search(text) for text in tail):
        return True
    if _PROCEDURE.search(texts[0]):
        if any(_has_result(sentence) for sentence in listed[-4:]) and not any(map(_ASSUMED.search, texts)):
            return False
        return bool(tail) or _lacks(texts[min(1, len(texts) - 1)]) or any(_ASKS.search(text) for text in texts[-2:])
    return False
