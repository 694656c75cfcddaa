"""Is the letter of a completion the right one of a multiple-choice question? Pure, and linear in its length."""

import re

from rayrl.types import Verdict

_GOLD = re.compile(r"\s*\(?([A-J])\)?[.:]?\s*")
_TAG = re.compile(r"<answer>\W{0,4}([A-J])\b")
_BOXED = re.compile(r"\\boxed\{\W{0,2}(?:\\text\{)?([A-J])\b")
_LETTER = r"([B-J]\b|A\b(?! (?!is\b|because\b|since\b|as\b)[a-z]))"  # "A" may be the article
_SAID = re.compile(r"\b(?i:answer|option|choice)\b(?:\s+is)?\s{0,3}:?\W{0,6}" + _LETTER)
_FIRST = re.compile(r"\W{0,4}([A-J])(?:\W{0,2}\s*$|[).:,*\]]|\s*\n)")


def verify(response: str, gold: str) -> Verdict:
    """Reads, in this order: what stands last in `<answer>` or `\\boxed`, is last said to be the answer (`answer: C`,
    `the answer is (C)`, `option C`), or a letter that the response begins with and that stands alone (`C`, `C. 12`).

    A gold that is no letter A-J gives no score.
    """
    letter = _GOLD.fullmatch(gold)
    if letter is None:
        return Verdict(None, "error", f"gold answer {gold[:60]!r} is no letter A-J")
    for name, pattern in (("tag", _TAG), ("boxed", _BOXED), ("sentence", _SAID)):
        found = pattern.findall(response)
        if found:
            return _verdict(found[-1], letter[1], name)
    first = _FIRST.match(response)
    return _verdict(first[1], letter[1], "first") if first else Verdict(0.0, "unparseable", "no letter found")


def _verdict(said: str, gold: str, reason: str) -> Verdict:
    return Verdict(1.0, "correct", reason, said) if said == gold else Verdict(0.0, "incorrect", reason, said)
