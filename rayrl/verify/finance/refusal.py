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
_LACKS = (
    r"(?:(?:does|do|did)(?:\s+not|n't)\s+(?:\w+\s+){0,2}?"
    r"(?:provide"
    r"|include|contain|mention|specify|give|disclose|state|offer|appear\s+to\s+(?:contain|include)|detail)|lacks?\b|(?:is|are)\s+(?:missing|insufficient|not\s+sufficient))"
)
_STRONG = re.compile(
    rf"""
    \b{_SOURCE}\b[^.;]{{0,120}}?\b{_LACKS}
    |\bno\s+(?:\w+\s+){{0,2}}?(?:information|data|details?)\b[^.]{{0,60}}\b(?:about|on|regarding|of|for|available|provided)\b
    |\b(?:is|are|was|were)(?:\s+not|n't)\s+(?:\w+\s+){{0,2}}?(?:provided|included|specified|mentioned|available|disclosed|given|contained|possible|present|stated)\b
    |\bcannot\s+(?:\w+\s+){{0,2}}?(?:be\s+(?:\w+\s+)?)?(?:determined?|calculated?|answer(?:ed)?|provided?|assess(?:ed)?|computed?|find|found|derived|give|estimated?|confirm)
    |\b(?:unable|impossible|not\s+able)\s+to\s+(?:\w+\s+)?(?:determine|calculate|answer|provide|assess|compute|find|give|access)
    |\b(?:not\s+possible|difficult)\s+to\s+(?:\w+\s+)?(?:determine|calculate|answer|assess|compute|provide)
    |\b(?:I|we)\s+(?:do(?:\s+not|n't)|cannot|can't)\s+(?:have|know|access|find|see|provide|retrieve)\b
    |\b(?:I|we|you)\s*(?:'d|would)\s+(?:\w+\s+)?need\b
    |\bnot\s+(?:enough|sufficient)\s+(?:information|data|context)
    |\binsufficient\s+(?:information|data|context)
    |\b(?:if|once|please)\s+(?:you\s+)?(?:can\s+|could\s+)?provide\b
    |\bwithout\s+(?:\w+\s+){{0,3}}(?:information|data|figures|documents|context|details)\b[^.]*\b(?:cannot|can't|not\s+possible|unable|impossible)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_APOLOGY = re.compile(
    r"^\W*(?:I(?:'m|\s+am)\s+sorry|I\s+apologi[sz]e|sorry\b|unfortunately|I\s+don't\s+know|I\s+do\s+not\s+know)",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(
    r"\b(?:as\s+an\s+AI|as\s+of\s+my\s+last\s+(?:knowledge\s+)?update|knowledge\s+cut-?off)\b[^.]*\b(?:not|n't)\b[^.]*\b(?:access|real-time|specific\s+financial)\b"
    r"|\b(?:do(?:es)?\s+not|doesn't|don't)\s+have\s+(?:the\s+ability\s+to\s+|direct\s+|real-time\s+)*access\b",
    re.IGNORECASE,
)
_PROCEDURE = re.compile(
    r"^\W*(?:to\s+(?:\w+\s+)?(?:answer|assess|calculate|compute|determine|evaluate|find|get|obtain|provide)\b|in\s+order\s+to\b"
    r"|as\s+an?\s+(?:\w+\s+){0,3}(?:analyst|AI|banker|assistant)\b|the\s+(?:relevant\s+evidence|\w+\s+(?:only\s+)?(?:provides|discusses))\b)",
    re.IGNORECASE,
)
_TENTATIVE = re.compile(r"\b(?:would|could|should|if|typically|you|likely)\b", re.IGNORECASE)
_DEAD_END = re.compile(
    r"\b(?:cannot|can't|unable\s+to|not\s+possible\s+to|impossible\s+to|don't\s+know|difficult\s+to)\b", re.IGNORECASE
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
    r"\b(?:please|you\s+(?:can|could)|if\s+you|once\s+you)\s+(?:\w+\s+)?(?:provide|have\s+access)\b", re.IGNORECASE
)
_GOES_ON = re.compile(r"^\W*however,?\s+(?:we\s+can|I\s+can|based\s+on|using|in\s+(?:FY|fiscal|20))", re.IGNORECASE)


def _lacks(text: str) -> bool:
    """Whether one sentence says that what is asked for is not there."""
    return bool(_STRONG.search(text) or _APOLOGY.search(text) or _NO_ACCESS.search(text))


def _concludes(text: str) -> bool:
    return bool(CONCLUDES.search(text)) and not _TENTATIVE.search(text) and not _lacks(text)


def _has_result(sentence: Sentence) -> bool:
    return bool(sentence.amounts) and bool(_RESULT.search(sentence.text)) and not _lacks(sentence.text[:MAX_SENTENCE])


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
    if any(_concludes(text) for text in texts[-3:]) or any(_GOES_ON.search(text) for text in texts[1:4]):
        return False
    if _lacks(texts[0]):
        return True
    tail = [text for text in texts[-2:] if _lacks(text) and not _PRECISE.search(text)]
    if any(_DEAD_END.search(text) for text in tail):
        return True
    if _PROCEDURE.search(texts[0]):
        if any(_has_result(sentence) for sentence in listed[-4:]):
            return False
        return bool(tail) or _lacks(texts[min(1, len(texts) - 1)]) or any(_ASKS.search(text) for text in texts[-2:])
    return False
