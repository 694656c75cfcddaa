"""Weaker signs that one sentence gives no answer; they count only where a short response states no figure at all.

A word of absence near a word for what was given, asked or known; or a reader who is asked, or sent to a document.
"""

import re

from rayrl.verify.finance.refusal.concession import answers_anyway

_MEANS = (
    r"(?:texts?|filings?|documents?|contexts?|information(?!\s+(?:technology|purposes|services|systems))|excerpts?|extracts?|passages?"
    r"|data(?!\s+(?:cent|segment))|(?:the|this|that|your|annual|quarterly)\s+reports?|exhibits?|evidence|10-[KQ]|8-K|snippets?|pages?|questions?|query|materials|inputs?"
    r"|details?|figures?|numbers?|(?<!fair\s)(?<!carrying\s)values?|answers?|sources?|knowledge|database|training|statements?|(?<!on\sthe\s)balance\s+sheets?"
    r"|line\s+items?|calculations?)"
)
_ABSENT = (
    r"(?:not|n't|no|never|nothing|none|neither|nor|nowhere|without|lacks?|lacking|missing|absent|absence|insufficient|inadequate"
    r"|unable|impossible|unavailable|unknown|unclear|uncertain|unanswered|undisclosed|beyond|outside|short\s+of|limited\s+to"
    r"|omit\w*|stops?|require[sd]?|incomplete)"
)
_NEAR = r"[^.;:]{0,80}?"
_DISTANCE = re.compile(
    rf"(?:\b|(?=n't)){_ABSENT}\b{_NEAR}\b{_MEANS}\b|\b{_MEANS}\b{_NEAR}(?:\b|(?=n't)){_ABSENT}\b", re.IGNORECASE
)
_OTHERS = re.compile(
    r"^\W*(?:[^.;:]{0,80}\b(?:due\s+to|because\s+of|driven\s+by|caused\s+by|owing\s+to)\b"
    r"|(?:the|its|their)\s+(?:company|firm|group|board|bank|auditors?)\b|(?:management|they)\b(?!'))",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"\b(?:I|we)\b[^.;:]{0,20}(?:\bnot|n't)\s+(?:\w+\s+){0,2}(?:have|know|see|find|able|given|aware|tell|say|provide|sure|certain|look|access)\b"
    r"|\b(?:I|we)\b[^.;:]{0,40}(?:\bmissing|\black|\bcannot|\brequire|\bwant\s+to\s+see|\bneed(?!\s+to\b))\b"
    r"|\b(?:I|we)(?:\s+(?:cannot|can't|could\s*n[o']t|could\s+not|am\s+not|are\s+not)|'m\s+not|'re\s+not)\b|\bit\s+would\s+(?:require|take|need)\b"
    r"|\b(?:I|we)\s+(?:can|could)\b[^.;:]{0,60}\bif\s+(?:I|you|we)\b|^\W*to\s+\w+\b[^,.;]{0,60},\s*(?:look|see|check|consult|refer|visit)\b"
    r"|\b(?:could|can|would|will)\s+you\b|^\W*(?:please|kindly)\b|\b(?:please|kindly)\s+(?:send|provide|share|give|tell|upload|paste)\b"
    r"|\bno\s+(?:\w+\s+){1,3}(?:can|could|may)\s+be\s+\w+\b|\bmy\s+(?:last|latest|knowledge|training|database)\b",
    re.IGNORECASE,
)
_READER = re.compile(
    r"\b(?:you|one|kindly|please|advisable|best|better|recommend\w*|suggest\w*|advise\w*)\b[^.;:]{0,60}"
    r"\b(?:consult\w*|refer\w*|check\w*|look\w*|visit\w*|review\w*|find|sources?|see|contact\w*|examin\w*|obtain\w*)\b",
    re.IGNORECASE,
)


def hints(text: str) -> bool:
    """Whether one sentence may well say that there is no answer."""
    return _hints(text) and not answers_anyway(text, _hints)


def _hints(text: str) -> bool:
    far = _DISTANCE.search(text) and not _OTHERS.match(text)
    return bool(far or _SPEAKER.search(text) or _READER.search(text))
