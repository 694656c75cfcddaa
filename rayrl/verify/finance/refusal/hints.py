"""Weaker signs that one sentence gives no answer; they count only where a short response states no figure at all.

A word of absence near a word for what was given, asked or known; or a reader who is asked, or sent to a document.
"""

import re

from rayrl.verify.finance.refusal.concession import answers_anyway
from rayrl.verify.finance.refusal.rules import first_rule, rules

_MEANS = (
    r"(?:texts?|filings?|documents?|contexts?|information(?! (?:technology|purposes|services|systems))|excerpts?"
    r"|extracts?|passages?|data(?! (?:cent|segment))|(?:the|this|that|your|annual|quarterly) reports?|exhibits?"
    r"|evidence|10-[KQ]|8-K|snippets?|pages?|questions?|query|materials|inputs?|details?|figures?|numbers?"
    r"|(?<!fair\s)(?<!carrying\s)values?|answers?|sources?|knowledge|database|training|statements?"
    r"|(?<!on\sthe\s)balance sheets?|line items?|calculations?)"
)
_ABSENT = (
    r"(?:not|n't|no|never|nothing|none|neither|nor|nowhere|without|lacks?|lacking|missing|absent|absence|insufficient"
    r"|inadequate|unable|impossible|unavailable|unknown|unclear|uncertain|unanswered|undisclosed|beyond|outside"
    r"|short of|limited to|omit\w*|stops?|require[sd]?|incomplete)"
)
_OTHERS = re.compile(
    r"^\W*(?:[^.;:]{0,80}\b(?:due\s+to|because\s+of|driven\s+by|caused\s+by|owing\s+to)\b"
    r"|(?:the|its|their)\s+(?:company|firm|group|board|bank|auditors?)\b|(?:management|they)\b(?!'))",
    re.IGNORECASE,
)

# fmt: off
DISTANT = rules([
    ("absence before a source", rf"(?:\b|(?=n't)){_ABSENT}\b[^.;:]{{0,80}}?\b{_MEANS}\b", "insufficient data."),
    ("absence behind a source", rf"\b{_MEANS}\b[^.;:]{{0,80}}?(?:\b|(?=n't)){_ABSENT}\b", "Data not available."),
])
HINTS = rules([
    ("I do not",
     r"\b(?:I|we)\b[^.;:]{0,20}(?:\bnot|n't) (?:\w+ ){0,2}(?:have|know|see|find|able|given|aware|tell|say|provide|sure"
     r"|certain|look|access)\b", "I don't have that."),
    ("I miss", r"\b(?:I|we)\b[^.;:]{0,40}(?:\bmissing|\black|\bcannot|\brequire|\bwant to see|\bneed(?! to\b))\b",
     "I'd need the numbers."),
    ("I cannot", r"\b(?:I|we)(?: (?:cannot|can't|could\s*n[o']t|could not|am not|are not)|'m not|'re not)\b",
     "I couldn't locate it."),
    ("it would take", r"\bit would (?:require|take|need)\b",
     "It would take the complete balance sheet to compute this ratio."),
    ("I can if you", r"\b(?:I|we) (?:can|could)\b[^.;:]{0,60}\bif (?:I|you|we)\b",
     "I could calculate this if you gave me the two years' inventories."),
    ("to find it, look", r"^\W*to \w+\b[^,.;]{0,60},\s*(?:look|see|check|consult|refer|visit)\b",
     "To find out, consult Note 12 of the 10-K."),
    ("could you", r"\b(?:could|can|would|will) you\b", "Could you clarify which company you mean?"),
    ("please", r"^\W*(?:please|kindly)\b", "Kindly provide the statement of cash flows."),
    ("my knowledge", r"\bmy (?:last|latest|knowledge|training|database)\b", "My knowledge cutoff is September 2021."),
    ("reader is sent",
     r"\b(?:you|one|kindly|please|advisable|best|better|recommend\w*|suggest\w*|advise\w*)\b[^.;:]{0,60}\b(?:consult\w*"
     r"|refer\w*|check\w*|look\w*|visit\w*|review\w*|find|sources?|see|contact\w*|examin\w*|obtain\w*)\b",
     "You'll find it in the 10-K."),
])
# fmt: on


def hint(text: str) -> str | None:
    """The rule by which one sentence may well say that there is no answer."""
    rule = _rule(text)
    return None if rule and answers_anyway(text, lambda clause: _rule(clause) is not None) else rule


def _rule(text: str) -> str | None:
    distant = None if _OTHERS.match(text) else first_rule(DISTANT, text)
    return distant or first_rule(HINTS, text)
