"""Does a response say yes or no to a question?

A response is plain where one of its first two sentences opens with the word, or else one of its last three. Any other
is read at its conclusion, or else at its first sentence: its negations and its words for up and down, against those of
the question.
"""

import re
from collections.abc import Sequence

from rayrl.verify.finance.reading.sentences import CONCLUDES, Sentence
from rayrl.verify.finance.reading.trend import FALL, RISE, trend
from rayrl.verify.finance.reading.words import content_words

MIN_SHARE = 0.3

_LEAD = (
    r"(?:so|thus|therefore|hence|consequently|overall|finally|(?:in\s+)?(?:conclusion|summary|short)|result|verdict"
    r"|(?:the\s+)?(?:final\s+\w+|answer))\b(?:\s+is\b)?\W*"
)
_CANNOT = (
    r"(?:,\s+(?:I|we)\s+(?:cannot|can't|could\s*n[o']t|do\s*n[o']t\s+(?:have|know)|am\s+(?:not\s+able|unable))"
    r"|,\s+the\s+\w+\s+(?:does\s+not|doesn't)\s+(?:contain|include|provide)\s+(?:the|enough|sufficient)\b)"
)
_YES = r"yes\b(?!\s*(?:or|/)\s*no\b)"
_NO = rf"no(?=\s*(?:[,.:;!(*-]|$)|\s(?:because|since)\b|\s(?-i:it|they)\b)(?!{_CANNOT})"
_PLAIN = re.compile(rf"^\W*(?:{_LEAD}){{0,2}}({_YES}|true\b|false\b|{_NO})", re.IGNORECASE)
_ANSWER = re.compile(rf"\banswer\b[^.]{{0,60}}\b(?:is|:)\W*({_YES}|no\b)", re.IGNORECASE)
_SAY = r"(?:to\s+(?:say|claim|state|suggest|conclude|assert|think)|that)"
_WRONG = rf"(?:wrong|incorrect|inaccurate|false|untrue|mistaken)\s+{_SAY}"
_NOT = re.compile(
    r"\b(?:not|no|never|none|neither|without|lacks?|lacking|unlikely|rather\s+than|isn't|aren't|wasn't|weren't|doesn't"
    r"|don't|didn't|hasn't|haven't|cannot)\b"
    rf"|\b(?:{_WRONG})\b|\bfail(?:s|ed|ing)?\s+to\b",
    re.IGNORECASE,
)
_ONLY = re.compile(
    r"\bnot\s+(?:be\s+)?(?:only|just|necessarily|explicitly|directly|specifically|a\s+useful|the\s+most)\b"
    r"|\bno\s+doubt\b",
    re.IGNORECASE,
)
_NOT_MOVED = re.compile(rf"{_NOT.pattern}\s+(?:\w+\s+){{0,3}}?\b(?:{RISE}|{FALL})\b", re.IGNORECASE)
_FLAT = re.compile(
    r"\b(?:unchanged|stagna\w+|flat(?!-)|(?:remain|stay)(?:ed|s)?\s+(?:the\s+same|constant))\b", re.IGNORECASE
)
_STEADY = re.compile(r"\bconsistent|\bstable|\bsteady", re.IGNORECASE)
_UNSTEADY = re.compile(r"\bfluctuat\w+|\binconsistent|\bvolatil\w+|\bvaried\b", re.IGNORECASE)


def _said(pattern: re.Pattern[str], text: str) -> bool | None:
    """The yes or no that `pattern` finds in a sentence."""
    found = pattern.search(text)
    return found[1].lower() in ("yes", "true") if found else None


def affirms(text: str, question: str) -> bool:
    """Whether one sentence answers a yes-or-no question with yes."""
    plain = _said(_PLAIN, text)
    if plain is not None:
        return plain
    asked, told = trend(question), trend(text)
    bare = _ONLY.sub("", text)
    if asked and (told == -asked or (not told and _FLAT.search(text))):
        return bool(_NOT_MOVED.search(bare))
    if _STEADY.search(question) and _UNSTEADY.search(text) and not _STEADY.search(text):
        return bool(_NOT.search(bare))
    return len(_NOT.findall(bare)) % 2 == 0


def opens_with_yes_or_no(text: str) -> bool:
    return bool(_PLAIN.match(text))


def _at_the_end(listed: Sequence[Sentence]) -> bool | None:
    """The last plain yes or no of the last three sentences, unless something else is concluded after it."""
    for sentence in reversed(listed[-3:]):
        plain = _said(_PLAIN, sentence.text)
        plain = _said(_ANSWER, sentence.text) if plain is None else plain
        if plain is not None or CONCLUDES.search(sentence.text):
            return plain
    return None


def says_yes(listed: Sequence[Sentence], question: str) -> bool | None:
    """True or False for the stance of a response, None for an empty one."""
    for sentence in listed[:2]:
        plain = _said(_PLAIN, sentence.text)
        if plain is not None:
            return plain
    plain = _at_the_end(listed)
    if plain is not None:
        return plain
    best = stance(listed, question)
    return affirms(best.text, question) if best is not None else None


def stance(listed: Sequence[Sentence], question: str) -> Sentence | None:
    """The sentence that concludes or repeats most of the question's words; None where none repeats enough."""
    asked = content_words(question)
    shares = [len(asked & content_words(sentence.text)) / max(1, len(asked)) for sentence in listed]
    weights = [
        2.0 * bool(CONCLUDES.search(sentence.text)) + 3.0 * share + 0.5 * (at == 0)
        for at, (sentence, share) in enumerate(zip(listed, shares, strict=True))
    ]
    usable = [at for at, share in enumerate(shares) if share >= MIN_SHARE or not asked]
    return listed[max(usable, key=lambda at: weights[at])] if usable else None
