"""Is the letter of a completion the right one of a multiple-choice question? Pure, and linear in its length."""

import re

from rayrl.types import Verdict
from rayrl.verify.text import after_thoughts, plain

_GOLD = re.compile(r"\s*\(?([A-J])\)?[.:]?\s*")
_TAG = re.compile(r"<answer>\W{0,4}([A-J])\b")
_LETTER = r"([B-J]\b|A\b(?! +(?!is\b|because\b|since\b|as\b)[a-z]))"  # "A" may be the article
_HASHES = re.compile(r"^[ \t]*####[ \t]*\W{0,4}" + _LETTER, re.MULTILINE)
_BOXED = re.compile(r"\\boxed ?\{\W{0,4}" + _LETTER)
_SAID = re.compile(
    r"\b(?i:answer(?:\s+is\b|\W{0,3}:)|(?:option|choice)\s+is\b)\s{0,3}:?\W{0,6}"
    r"(?i:(?:option|choice)\W{1,3})?" + _LETTER
)
_FIRST = re.compile(
    r"\A\W{0,4}(?!A\b[\s\S]*\n\W{0,4}B[).:])"  # no list of all the options
    r"([A-J])(?:\W{0,2}\s*\Z|[).:*\]]|,(?!\s*(?:and\s+|or\s+)?[A-HJ]\b)|\s*\n)"
)
_NAMED = re.compile(r"\b(?i:answer|option|choice)\b\s{0,3}:?\W{0,6}" + _LETTER)


def verify(response: str, gold: str, *, strict: bool = False) -> Verdict:
    """Reads, in this order: what stands last in `<answer>`, `\\boxed` or behind `####`, is last said to be the answer
    (`answer: C`, `the answer is (C)`), a letter that the response begins with and that stands alone (`C`, `C. 12`), or
    the option that is named last (`option C`). What stands before `</think>` counts only where nothing follows it.

    A gold that is no letter A-J gives no score. strict: the last two do not count.
    """
    letter = _GOLD.fullmatch(gold)
    if letter is None:
        return Verdict(None, "error", f"gold answer {gold[:60]!r} is no letter A-J")
    text = after_thoughts(response)
    marked = (("tag", _TAG, text), ("boxed", _BOXED, plain(text)), ("hashes", _HASHES, text), ("sentence", _SAID, text))
    unmarked = (("first", _FIRST, text.strip()), ("named", _NAMED, text))
    for name, pattern, part in marked if strict else marked + unmarked:
        found = pattern.findall(part)
        if found:
            return _verdict(found[-1], letter[1], name)
    return Verdict(0.0, "unparseable", "no letter found")


def _verdict(said: str, gold: str, reason: str) -> Verdict:
    return Verdict(1.0, "correct", reason, said) if said == gold else Verdict(0.0, "incorrect", reason, said)
