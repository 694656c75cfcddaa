"""Is the final answer of a completion the gold answer? Plain numbers exactly; all else is read by math-verify.

Pure: no clock, no process, no network. It may compute for long on hostile input, so in training it runs in a worker
that can be killed (`rayrl.verify.workers`).
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify import choice
from rayrl.verify.bounds import NotLatexError, TooLargeError, UnreadableError
from rayrl.verify.equality import same_answer
from rayrl.verify.extract import Found, marks
from rayrl.verify.formulas import Formula, parse_latex, without_quantifier
from rayrl.verify.latex_variants import to_latex
from rayrl.verify.numbers import Number, parse_number, same_number
from rayrl.verify.search import find_formula, is_prose
from rayrl.verify.sums import without_sums
from rayrl.verify.text import MISSING, after_thoughts, plain, shortened, tidy, words

MAX_BARE_GOLD = 200
MAX_WORDS = 6

_LETTER = re.compile(r"\(?\s*([A-J])\s*(?:[).:]+\s*|$)")
_WORDS = re.compile(r"[^\W\d_]+(?:[ ,'/&-]+[^\W\d_]+)*")
_DIGITS = re.compile(r"\d[\d.,]*")
_COMMAND = re.compile(r"\\(?!text|mathrm|[$%])[A-Za-z]+|[=<>^_]")
_ALL_TEXT = re.compile(r"\A\\text\w*\s*\{([^{}]*\d[^{}]*)\}\Z")
_COMPUTED = re.compile(r"\A\s*\\(?:lim|int|sum|prod|max|min)(?![A-Za-z])[^=]*=(?=[^=]+\Z)")
_FORMULA = re.compile(r"(?<!\\)(?:\$|\\[(\[])")
_NAME = re.compile(r"[A-Za-z]+")
_SENTENCE = re.compile(r"[A-Za-z]{2,}\s|.*[A-Za-z]{3,}\s+[A-Za-z]{2,}\s", re.DOTALL)  # as 'since 3 + 4 is'
_MARKS_OF_NAME = re.compile(
    r"\\(?:left|right|angle|triangle|measuredangle|overline|overrightarrow|vec|operatorname)(?![A-Za-z])"
)
_AND = re.compile(r"\s*[,;&]\s*(?:and\s+)?|\s+and\s+")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was read. text: as written, in one notation. formula: None for a plain number, or words."""

    text: str
    how: str
    number: Number | None = None
    formula: Formula | None = None


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold answer, read once. written: all of it, in one notation. is_words: it is a few words and no formula.
    letter: of a multiple-choice option. option: what stands behind the letter, where that can be read.
    """

    answer: Answer
    written: str
    is_words: bool
    letter: str | None = None
    option: "Gold | None" = None


def _search(text: str, how: str, anchored: bool = False) -> Answer | None:
    """What math-verify finds in a text."""
    formula = find_formula(text, anchored)
    return None if formula is None else Answer(formula.written, how, parse_number(formula.written), formula)


def read_answer(found: Found, is_gold: bool = False) -> Answer:
    """Reads what a mark holds: a number; one LaTeX answer; or, in prose, what math-verify finds in it.

    A box holds one answer even where that is in words, and so does a gold that marks nothing. Of what cannot be read
    no number is taken out, but a lone one beside words: of `f(x) = \\begin{cases}…` no digit is the answer.

    Raises:
        TooLargeError: What it holds is too large to parse or compute.
    """
    text = _COMPUTED.sub("", without_quantifier(_ALL_TEXT.sub(r"\1", found.text)))
    number = parse_number(text)
    if number is not None:
        return Answer(text, found.how, number)
    numbers = len(_DIGITS.findall(text))
    is_unmarked_gold = is_gold and found.how == "last" and numbers != 1 and not _FORMULA.search(text)
    if not found.is_formula and not is_unmarked_gold and is_prose(text):
        return _search(found.anchor or text, found.how, bool(found.anchor)) or Answer(text, found.how)
    try:
        return Answer(text, found.how, formula=parse_latex(text))
    except NotLatexError:
        is_lone = numbers == 1 and not _COMMAND.search(text)
        return (_search(text, found.how) if is_lone else None) or Answer(text, found.how)


def _behind_letter(text: str) -> tuple[str | None, str]:
    """The letter of an option that `text` begins with, and what stands behind it: `(B) 12` is B and 12."""
    match = _LETTER.match(plain(text))
    return (match[1], plain(text)[match.end() :]) if match else (None, text)


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Gold:
    """Reads a gold answer: a bare answer, or a worked solution that ends in `#### x`, `\\boxed{x}`, `answer is x`.

    Raises:
        DataError: It holds no answer, or one that neither a number, a choice, a few words nor LaTeX.
    """
    text = to_latex(gold)
    found = next(marks(text), None) or Found(tidy(text), "last")
    if found.text.casefold() in MISSING | {"n/a"}:
        raise DataError(f"gold answer {shortened(gold)!r} is empty")
    if found.how == "last" and len(found.text) > MAX_BARE_GOLD and is_prose(found.text):
        raise DataError(
            f"gold answer {shortened(gold)!r} is {len(found.text)} characters long and marks no answer "
            "(\\boxed{x}, '#### x' or 'the answer is x')"
        )
    bare = words(found.text)
    is_words = bool(_WORDS.fullmatch(bare)) and len(bare.split()) <= MAX_WORDS
    letter, behind = _behind_letter(found.text)
    try:
        answer = read_answer(found, is_gold=True)
    except TooLargeError as error:
        raise DataError(f"gold answer {shortened(found.text)!r} cannot be read: {error}") from error
    if letter is not None:
        return Gold(answer, found.text, is_words, letter, _option(behind))
    if answer.number is None and answer.formula is None and not is_words:
        raise DataError(
            f"gold answer {shortened(found.text)!r} cannot be read: no number, no words, no LaTeX expression"
        )
    return Gold(answer, found.text, is_words)


def _option(text: str) -> Gold | None:
    """What an option says, where it can be read."""
    try:
        return read_gold(text)
    except DataError:
        return None


def _in_words(answer: str, gold: str) -> bool:
    """Whether `answer` repeats `gold`, a list in any order; behind a comma or a stop all but an option follows."""
    given, wanted = (words(text).removesuffix(" only").removesuffix("s") for text in (answer, gold))
    if not wanted or sorted(_AND.split(given)) == sorted(_AND.split(wanted)):
        return bool(wanted)
    return bool(re.match(re.escape(wanted) + r"[.,;:!]", given)) and " or " not in given


def _name(answer: str) -> str:
    """The letters of what `answer` sets equal to its value."""
    name, equals, _ = plain(answer).rpartition("=")
    return "".join(_NAME.findall(_MARKS_OF_NAME.sub("", name))) if equals else ""


def _names_differ(answer: str, gold: str) -> bool:
    """Whether both name what they give, and not the same: `x = 4` for `y = 4`, but not `S_{ABC} = 4` for `S = 4`."""
    first, second = sorted((_name(answer), _name(gold)), key=len)
    return bool(first) and not second.startswith(first)


def _same(answer: Answer, gold: Gold) -> bool:
    wanted = gold.answer
    if answer.text in (wanted.text, gold.written) or (gold.is_words and _in_words(answer.text, wanted.text)):
        return True
    if answer.number is not None and wanted.number is not None and not _names_differ(answer.text, wanted.text):
        return same_number(answer.number, wanted.number)
    if gold.is_words and answer.number is not None:
        return False
    first, second = answer.formula or parse_latex(answer.text), wanted.formula or parse_latex(wanted.text)
    return same_answer((answer.text, first), (wanted.text, second))


def _choice(text: str, gold: Gold, strict: bool) -> Verdict:
    """The verdict on the letter that `text` chooses; where both say what the option is, they agree on that too.

    `(B) 13` is not `(B) 12`. Of a sentence behind the letter no value is taken.
    """
    verdict = choice.verify(text, gold.letter or "", strict=strict)
    if verdict.status != "correct" or gold.option is None:
        return verdict
    found = next(marks(text), None) or Found(tidy(text), "last")
    letter, behind = _behind_letter(found.text)
    if letter is None or not behind or (_SENTENCE.match(behind) and parse_number(behind) is None):
        return verdict
    answer = read_answer(Found(behind, found.how, is_formula=True))
    if (answer.number is None and answer.formula is None) or _same(answer, gold.option):
        return verdict
    return Verdict(0.0, "incorrect", f"{letter}, but another value", shortened(behind))


def find_answer(text: str, strict: bool = False, gold: Gold | None = None) -> Answer | None:
    """The answer of a completion: the first mark that can be read, else what math-verify finds in the text.

    Args:
        text: In one notation, without thoughts.
        strict: Only a marked answer counts.
        gold: Where it is in words, a mark that repeats it counts as read; where it is a number, a sum that is not
            worked out is no answer, but in a box.

    Raises:
        TooLargeError: What was found is too large to parse or compute.
    """
    worked = without_sums if gold is not None and gold.answer.number is not None else str
    unread = None
    for found in marks(text):
        if not found.is_formula and not (said := tidy(worked(found.text))):
            continue
        answer = read_answer(found if found.is_formula else replace(found, text=said, anchor=worked(found.anchor)))
        if answer.number or answer.formula or (gold and gold.is_words and _in_words(answer.text, gold.answer.text)):
            return answer
        unread = unread or answer
    return unread or _search(worked(text), "last", anchored=strict)


def verify(response: str, gold: str, *, strict: bool = False) -> Verdict:
    """Compares the final answer of a completion with the gold answer.

    Plain numbers agree exactly, or to less than 1e-6 where one is a decimal; units are converted where both name one,
    else left out; `50%` agrees with `0.5` and `50`. Where the gold is a number, a sum that is not worked out is none
    (`rayrl.verify.sums`), but in a box. All else is found, read and compared by math-verify (LaTeX, boxes, expressions;
    symbolic equality, sets, intervals, matrices), under the guards of `rayrl.verify.equality`.

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
    text = to_latex(after_thoughts(response))
    try:
        if wanted.letter is not None:
            verdict = _choice(text, wanted, strict)
            if verdict.status != "unparseable":
                return verdict
            wanted = wanted.option or wanted
        answer = find_answer(text, strict, wanted)
        if answer is None:
            return Verdict(0.0, "unparseable", "no answer found")
        if answer.number is None and answer.formula is None and not wanted.is_words:
            return Verdict(0.0, "unparseable", f"answer found ({answer.how}) but not readable", shortened(answer.text))
        same = _same(answer, wanted)
    except (UnreadableError, RecursionError) as error:
        return Verdict(0.0, "unparseable", f"answer found but not readable: {error}")
    return Verdict(1.0 if same else 0.0, "correct" if same else "incorrect", answer.how, shortened(answer.text))


def warm_up() -> None:
    """Imports math-verify and SymPy and fills their caches, so that the first verdict is as fast as the next."""
    for answer in ("$\\frac{1}{2}$", "\\boxed{x^2+1}", "It is (1,2).", "The answer is $\\sqrt{2}\\pi$"):
        verify(answer, "\\frac{x}{3}")
