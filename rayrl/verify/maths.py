"""Is the final answer of a completion the gold answer? Numbers exactly, LaTeX by math-verify, words as words.

Pure: no clock, no process, no network. It may compute for long on hostile input, so in training it runs in a worker
that can be killed (`rayrl.verify.workers`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify import symbolic
from rayrl.verify.extract import extract
from rayrl.verify.numbers import Number, parse_number, same_number
from rayrl.verify.text import plain, shortened, tidy, to_ascii, words

MAX_BARE_GOLD = 200
MAX_WORDS = 6

_CHOICE = re.compile(r"\(?\s*([A-J])\s*(?:[).:]|$)")
_WORDS = re.compile(r"[^\W\d_]+(?:[ ,'/&-]+[^\W\d_]+)*")
_PROSE = re.compile(r"(?:(?<!\\)\b[A-Za-z]{2,}\s+){3}")
_MISSING = frozenset({"", "nan", "n/a", "null", "none", "?", "-"})
_READABLE = re.compile(r"[\d\\^]")


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold answer, read once."""

    text: str
    number: Number | None
    choice: str | None
    is_words: bool


def _choice(answer: str) -> str | None:
    match = _CHOICE.match(plain(answer))
    return match.group(1) if match else None


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Gold:
    """Reads a gold answer: a bare answer, or a worked solution that ends in `#### x`, `\\boxed{x}`, `answer is x`.

    Raises:
        DataError: It holds no answer, or one that neither a number, a choice, a few words nor LaTeX.
    """
    found = extract(gold, strict=True)
    bare = tidy(to_ascii(gold))
    text = found.text if found is not None else bare
    if text.casefold() in _MISSING:
        raise DataError(f"gold answer {shortened(gold)!r} is empty")
    if found is None and len(text) > MAX_BARE_GOLD and _PROSE.search(text):
        raise DataError(
            f"gold answer {shortened(gold)!r} is {len(text)} characters long and marks no answer "
            "(\\boxed{x}, '#### x' or 'the answer is x')"
        )
    number = parse_number(text)
    choice = _choice(text)
    bare_words = words(text)
    is_words = bool(_WORDS.fullmatch(bare_words)) and len(bare_words.split()) <= MAX_WORDS
    if number is None and choice is None and not is_words:
        try:
            symbolic.parse_latex(text)
        except symbolic.Unreadable as error:
            raise DataError(f"gold answer {shortened(text)!r} cannot be read: {error}") from error
    return Gold(text, number, choice, is_words)


def _in_words(answer: str, gold: Gold) -> bool:
    given, wanted = words(answer), words(gold.text)
    return given == wanted or bool(re.match(re.escape(wanted) + r"[.,;:!]", given))


def _compare(answer: str, gold: Gold) -> bool:
    """Raises Unreadable where the answer is neither a number, nor words, nor LaTeX."""
    if answer == gold.text:
        return True
    if gold.choice is not None and _choice(answer) is not None:
        return _choice(answer) == gold.choice
    number = parse_number(answer)
    if gold.number is not None and number is not None:
        return same_number(number, gold.number)
    if gold.is_words and (_in_words(answer, gold) or number is not None):
        return number is None
    if gold.number is not None and not _READABLE.search(answer):
        return False
    return symbolic.same_expression(answer, gold.text)


def verify(response: str, gold: str, *, strict: bool = False) -> Verdict:
    """Compares the final answer of a completion with the gold answer.

    Numbers agree exactly, or to less than 1e-6 where one is a decimal; units are converted where both name one, else
    left out; `50%` agrees with `0.5` and `50`. Everything else goes through math-verify (symbolic equality, sets,
    intervals, matrices).

    Args:
        response: The completion's text. Never evaluated.
        gold: The gold answer, or a worked solution that marks it.
        strict: Only a marked answer counts (box, `####`, `<answer>`, 'the answer is'), never the last number.

    Returns:
        correct 1.0; incorrect 0.0; unparseable 0.0 (no answer, or one that cannot be read); error with score None
        where the gold cannot be read.
    """
    try:
        wanted = read_gold(gold)
    except DataError as error:
        return Verdict(None, "error", str(error))
    found = extract(response, strict)
    if found is None:
        return Verdict(0.0, "unparseable", "no answer found")
    shown = shortened(found.text)
    try:
        same = _compare(found.text, wanted)
    except symbolic.Unreadable as error:
        return Verdict(0.0, "unparseable", f"answer found ({found.how}) but not readable: {error}", shown)
    return Verdict(1.0 if same else 0.0, "correct" if same else "incorrect", found.how, shown)
