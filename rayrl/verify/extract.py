"""Where a completion marks its answer: `\\boxed{}`, a GSM8K line `#### x`, `<answer>…</answer>`, `the answer is x`.

In this order, each time the last one in the text. What stands before `</think>` counts only where nothing follows it.
What is marked, and a text that marks nothing, are read by math-verify (`rayrl.verify.formulas`). Every search is linear
in the length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rayrl.verify.numbers import parse_number
from rayrl.verify.search import is_prose
from rayrl.verify.text import tidy

How = Literal["boxed", "hashes", "tag", "sentence", "last"]
MAX_SENTENCE = 400
JOINED = 70  # characters between two boxes that may belong together, as in math-verify

_BRACES = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{|\\[{}]|[{}]")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$]+)")
_NAME_BEFORE = re.compile(r"(?<![A-Za-z\\])([A-Za-z](?:_\w|_\{\w+\})?)\s*=\s*\Z")
_SEPARATOR = re.compile(r"\b(?:and|or)\b|,|;")
_ANEW = re.compile(
    r"[.!?:]\s|\b(?:but|no|not|wrong|incorrect|instead|actually|however|rather|so|hence|thus|therefore|"
    r"answer|correct\w*|"
    r"then|which|gives|yields|becomes)\b|=>|\\(?:Rightarrow|implies|to)\b",
    re.IGNORECASE,
)
HASHES = re.compile(r"^[ \t]*####[ \t]*(\S.*)$", re.MULTILINE)
_LINE_ANCHOR = r"^[ \t]*(?P<line>A)[ \t]*:"
_WORD_ANCHOR = r"\b(?:final |correct )?(?:answer|result)\b[^\n.:=?]{0,60}?(?:\b(?:is|be|equals)\b[ \t]*:?|[:=])"
_LINES = re.compile(rf"{_LINE_ANCHOR}[\s*_]*", re.IGNORECASE | re.MULTILINE)
_ANCHORS = re.compile(rf"(?:{_WORD_ANCHOR}|{_LINE_ANCHOR})[\s*_]*", re.IGNORECASE | re.MULTILINE)
_LONE_FORMULA = re.compile(
    r"\s*((?<!\\)\$\$?[^$\n]{1,400}\$\$?|\\\([^\n]{1,400}?\\\)|\\\[[^\n]{1,400}?\\\])"
    r"(?=\s*(?:[.!?](?:\s|\Z)|\n|\Z))[\s.]*"
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)(?<!\d!)")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer's text and by which mark it was found. anchor: a sentence with the words that announce it. is_formula:
    it stands between dollars or in LaTeX's brackets, and is no prose.
    """

    text: str
    how: How
    anchor: str = ""
    is_formula: bool = False


def _boxes(text: str) -> list[tuple[int, int, int]]:
    """Every complete box by the start of its content: (start of command, start and end of content)."""
    boxes: list[tuple[int, int, int]] = []
    open_braces: list[tuple[int, int] | None] = []
    for match in _BRACES.finditer(text):
        token = match.group()
        if token == "{":
            open_braces.append(None)
        elif token == "}":
            box = open_braces.pop() if open_braces else None
            if box is not None:
                boxes.append((*box, match.start()))
        elif len(token) > 2:
            open_braces.append((match.start(), match.end()))
    return sorted(boxes, key=lambda box: box[1])


def _belongs(between: str) -> bool:
    """Whether two boxes are parts of one answer: near, parted by `and`, `or` or a comma, and not said anew."""
    near = len(between) < 10 or (len(between) < JOINED and bool(_SEPARATOR.search(between)))
    return near and not _ANEW.search(between)


def boxed(text: str) -> str | None:
    """The content of the last complete box, with that of the boxes before it that belong to the same answer.

    math-verify's rule, but that a sentence or a word between them that takes back or concludes ('but', 'therefore')
    parts two boxes: `\\boxed{5}. That is wrong, the answer is \\boxed{7}` is 7. Of `x = \\boxed{4}, y = \\boxed{3}` the
    names are kept. See huggingface/Math-Verify#57.
    """
    if "box" not in text:
        return None
    boxes = _boxes(text)
    if not boxes:
        bare = list(_BARE_BOX.finditer(text[-2000:]))
        return bare[-1].group(1) if bare else None
    contents: list[str] = []
    names: list[str] = []
    following = None
    for start, inner, end in reversed(boxes[-10:]):
        if following is not None and (end > following or not _belongs(text[end + 1 : following][: JOINED + 1])):
            break
        contents.append(text[inner:end].strip())
        named = _NAME_BEFORE.search(text[max(0, start - 20) : start])
        names.append(named[1] if named else "")
        following = start
    if all(names) and len(set(names)) == len(names) > 1:
        contents = [f"{name}={content}" for name, content in zip(names, contents, strict=True)]
    return ", ".join(dict.fromkeys(reversed(contents)))


def _hashes(text: str) -> str | None:
    if "####" not in text:
        return None
    lines = [line.strip() for line in HASHES.findall(text)]
    return next((line for line in reversed(lines) if not is_prose(line) or parse_number(line)), None)


def _tag(text: str) -> str | None:
    start = text.rfind("<answer>")
    return text[start + len("<answer>") :].partition("</answer>")[0].strip() if start >= 0 else None


def _sentence(text: str) -> Found | None:
    folded = text.casefold()
    anchors = _ANCHORS if "answer" in folded or "result" in folded else _LINES  # five times as fast
    for anchor in reversed(list(anchors.finditer(text))[-20:]):
        tail = text[anchor.end() : anchor.end() + 2 * MAX_SENTENCE]
        formula = _LONE_FORMULA.match(tail)
        if formula is not None:
            return Found(tidy(formula[1]), "sentence", is_formula=True)
        if tail.strip():
            end = _SENTENCE_END.search(tail)
            said = tidy(tail[: end.start() if end else None][:MAX_SENTENCE])
            lined = anchor["line"] is not None or anchor[0].rstrip("*_ \t\n")[-1] in ":="
            return Found(said, "sentence", "" if lined else f"answer is {said}")
    return None


def marks(text: str) -> Iterator[Found]:
    """What `text` marks as its answer, the surest first.

    Args:
        text: What follows the thoughts, in one notation (`rayrl.verify.latex_variants`).
    """
    for how, content in (("boxed", boxed(text)), ("hashes", _hashes(text)), ("tag", _tag(text))):
        if content is not None and tidy(content):
            is_formula = how == "boxed" or bool(_LONE_FORMULA.fullmatch(content))
            yield Found(tidy(content), how, is_formula=is_formula)  # type: ignore[arg-type]
    said = _sentence(text)
    if said is not None and said.text:
        yield said
