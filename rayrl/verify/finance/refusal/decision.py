"""Does a response decline to answer, and by which rule? Conclusions outweigh what its first and last sentences lack."""

import re
from collections.abc import Sequence

from rayrl.verify.finance.reading.polarity import opens_with_yes_or_no
from rayrl.verify.finance.reading.sentences import Sentence
from rayrl.verify.finance.refusal.assertion import asserts, concludes, has_figure, has_result
from rayrl.verify.finance.refusal.concession import opens_with_figure, reports
from rayrl.verify.finance.refusal.hints import hint
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
    r"^\W*(?:to\s+(?:\w+\s+)?(?:answer|assess|calculate|compute|determine|evaluate|find|get|obtain|provide)\b"
    r"|in\s+order\s+to\b|if\s+(?:I|we|you|one)\s+had\b|here(?:'s|\s+is)\s+how\b"
    r"|I\s+can\s+(?:explain|show|outline|guide|help)\b|calculating\b|the\s+calculation\b"
    r"|(?:[\w'&-]+\s+){1,12}(?:can|would)\s+be\s+(?:calculated|computed|determined|found)\b"
    r"|as\s+an?\s+(?:\w+\s+){0,3}(?:analyst|AI|banker|assistant)\b"
    r"|the\s+(?:relevant\s+evidence|\w+\s+(?:only\s+)?(?:provides|discusses))\b)",
    re.IGNORECASE,
)
_DEAD_END = re.compile(
    r"\b(?:cannot|can't|can\s+not|could\s+not|couldn't|not\s+feasible\s+to|unable\s+to|n't\s+able\s+to|not\s+able\s+to"
    r"|not\s+possible\s+to|impossible\s+to|don't\s+know|difficult\s+to"
    r"|not\s+(?:possible|feasible|computable|calculable|determinable)|incalculable|unanswerable"
    r"|(?:is|are|remains?)\s+un(?:known|determined|clear)|(?:I|we)\s+(?:do\s+not|don't)\s+have)\b",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"^\W*(?:given|considering|nevertheless|nonetheless|still|even\s+so)\b(?!.*\b(?:lack|limited|absence)\b)",
    re.IGNORECASE,
)
_PRECISE = re.compile(
    r"\b(?:pinpoint|definitive(?:ly)?|conclusive(?:ly)?|precise(?:ly)?|exact\s+(?:cause|impact|effect)|outlook"
    r"|forecasts?"
    r"|future|comparison|peers|industry)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:you\s+(?:would|will|'ll|'d|need|should|can\s+(?:use|plug|access|find|apply))|(?:once|if)\s+you"
    r"|one\s+would\s+need"
    r"|please\s+(?:refer|consult|provide|check)|otherwise|can\s+be\s+found"
    r"|(?:usually|typically)\s+(?:found|file|available|reported))\b",
    re.IGNORECASE,
)
_ASKS_FIGURES = re.compile(
    r"\b(?:please|you\s+(?:can|could)|if\s+you|once\s+you|when\s+you)\s+(?:\w+\s+)?"
    r"(?:provide|have\s+(?:access|the|these|this))\b"
    r"|\b(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?(?:provide|share|send|supply|give|tell|upload"
    r"|paste)\b"
    r"|\b(?:please|kindly)\s+(?:send|share|supply|upload|paste)\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:keep\s+in\s+mind|(?:worth|important\s+to)\s+(?:not|mention|consider|remember)\w*"
    r"|(?:would|will|may|might|could)\s+(?:also\s+)?(?:be\s+(?:found|worth|helpful|useful)|need\s+to|typically"
    r"|have\s+to)"
    r"|(?:can|should)\s+(?:be\s+found|have\s+it|contain)|(?:usually|typically|generally|often)\b|feel\s+free)",
    re.IGNORECASE,
)
_TURNS = re.compile(
    r"^\W*(?:however|but|unfortunately|regrettably|beyond\s+(?:this|that)|apart\s+from\s+(?:this|that))\b"
    r"|,\s+(?:however|though|unfortunately)\b",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^\W*however,?\s+(?:(?:we|I)\s+can\b(?!\s+(?:\w+\s+)?"
    r"(?:help|guide|assist|explain|provide|show|walk|offer|outline|give|use\s+the\s+(?:\w+\s+)?formula))"
    r"|based\s+on|using|in\s+(?:FY|fiscal|20))",
    re.IGNORECASE,
)
MAX_SHORT = 4


def find_refusal(listed: Sequence[Sentence]) -> str | None:
    """The rule by which a response declines to answer; None where it answers.

    It declines where it opens by saying that something is missing, or opens with how one would proceed and ends without
    an answer, or ends by saying that no answer is possible; and draws no conclusion after that.
    """
    if not listed or opens_with_figure(listed[0].text[:MAX_SENTENCE]):
        return None
    texts = [sentence.text[:MAX_SENTENCE] for sentence in listed]
    access = denies_access(texts[0])
    if access or _ASKS_FIGURES.search(texts[-1]):
        return access or (None if asserts(listed[0]) else "asks for figures")
    if _answers(listed, texts):
        return None
    has_results = any(map(has_result, listed))
    kept = _without_advice(texts)
    return (
        _opening(texts, has_results)
        or _ending(kept, has_results)
        or _procedure(listed, kept)
        or _short_hint(listed, texts)
    )


def find_missing(listed: Sequence[Sentence]) -> str | None:
    """The rule by which any sentence says that something is missing: enough where a response has no answer at all."""
    return next(filter(None, (missing(sentence.text[:MAX_SENTENCE]) for sentence in listed)), None)


def _answers(listed: Sequence[Sentence], texts: Sequence[str]) -> bool:
    """Whether it opens with yes or no, ends with a result, goes on in spite of what is missing, or concludes."""
    if opens_with_yes_or_no(texts[0]) or (len(texts) > 1 and asserts(listed[-1])):
        return True
    if not missing(texts[-1]) and any(_CONTINUES.search(text) and not missing(text) for text in texts[1:4]):
        return True
    return any(map(concludes, listed[-3:]))


def _opening(texts: Sequence[str], has_results: bool) -> str | None:
    """What the first sentence lacks, or the first that is no heading and no background."""
    opening = next((text for text in texts if not (is_background(text) or is_heading(text))), texts[0])
    rule = missing(texts[0])
    if rule or has_results:
        return rule
    return missing(opening) or ("refers elsewhere" if refers(opening) else None)


def _gaps(texts: Sequence[str]) -> list[str]:
    """The sentences that lack something, other than certainty, a forecast or peers."""
    return [text for text in texts if missing(text) and not _PRECISE.search(text)]


def _ending(texts: Sequence[str], has_results: bool) -> str | None:
    """What the last sentences lack: they turn away from what was told, or are a dead end."""
    tail = _gaps(texts[-2:])
    if not has_results and texts[-1] in tail and _TURNS.search(texts[-1]):
        return missing(texts[-1])
    late = tail if has_results else _gaps(texts[len(texts) // 2 :]) + tail
    dead_ends = [text for text in late if _DEAD_END.search(text)]
    return missing(dead_ends[0]) if dead_ends and not _GIVEN.match(texts[-1]) else None


def _procedure(listed: Sequence[Sentence], texts: Sequence[str]) -> str | None:
    """How one would proceed, without a result at the end."""
    if not (_PROCEDURE.search(texts[0]) or is_background(texts[0])) or any(map(has_result, listed[-4:])):
        return None
    tail = _gaps(texts[-2:])
    asks = any(_ASKS.search(sentence.text) for sentence in listed[-2:])
    return missing(tail[0] if tail else texts[:2][-1]) or ("a procedure without an answer" if asks else None)


def _without_advice(texts: Sequence[str]) -> list[str]:
    """A response without the advice at its end, unless that is a dead end."""
    kept = list(texts)
    while len(kept) > 1 and (refers(kept[-1]) or _ADVICE.search(kept[-1])) and not _DEAD_END.search(kept[-1]):
        kept.pop()
    return kept


def _short_hint(listed: Sequence[Sentence], texts: Sequence[str]) -> str | None:
    """A short response without a figure that hints at no answer: at once, or after what a source tells."""
    if len(listed) > MAX_SHORT or any(map(has_figure, listed)):
        return None
    first, last = without_basis(texts[0]), without_basis(texts[-1])
    return hint(first) or (hint(last) if reports(first) else None)
