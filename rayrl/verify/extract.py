"""Where the final answer of a completion stands.

In this order, each time the last one in the text: `\\boxed{}`; a GSM8K line `#### x`; `<answer>…</answer>`; a sentence
`the answer is x` or a line `A: x`, `Answer: x`; and, unless `strict`, the last formula or number as a last resort.
What stands before `</think>` counts only where nothing follows it. Every search is linear in the length of the text.
"""

import re
from dataclasses import dataclass
from typing import Literal

from rayrl.verify.numbers import ANY_NUMBER, parse_number
from rayrl.verify.text import after_thoughts, tidy, to_ascii

How = Literal["boxed", "hashes", "tag", "sentence", "last"]
MAX_SENTENCE = 400
LAST_RESORT_CHARACTERS = 2000

_BRACES = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{|\\[{}]|[{}]")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$]+)")
_JOINT = re.compile(r"[\s$]*(?:,|;|\\text\{\s*)?\s*(?:and|or)?\s*\}?[\s$]*")
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S.*)$", re.MULTILINE)
_ANCHOR = re.compile(
    r"(?:\b(?:final |correct )?(?:answer|result)\b[^\n.:=?]{0,60}?(?:\b(?:is|be|equals)\b[ \t]*:?|[:=])"
    r"|^[ \t]*(?P<line>A)[ \t]*:)[\s*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)(?<!\d!)")
_FORMULA = re.compile(
    r"\$\$([^$]{1,400})\$\$|(?<!\\)\$([^$\n]{1,400})\$|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]", re.DOTALL
)
_PROSE = re.compile(r"(?<!\\)\b[A-Za-z]{3,}\s+[A-Za-z]{2,}\b")
_LIST = re.compile(r"[-\d.,/\s]+(?:(?:,|\band\b|\bor\b)[-\d.,/\s]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer's text and by which rule it was found."""

    text: str
    how: How


def boxed(text: str) -> str | None:
    """The content of the last complete box; boxes joined by nothing but `,`, `and` or `or` count as one list."""
    boxes: list[tuple[int, int, int]] = []  # start of command, start and end of content
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
    if not boxes:
        bare = list(_BARE_BOX.finditer(text[-LAST_RESORT_CHARACTERS:]))
        return bare[-1].group(1) if bare else None
    boxes.sort(key=lambda box: box[1])
    contents: list[str] = []
    following = None
    for start, inner, end in reversed(boxes[-10:]):
        if following is not None and (end > following or not _JOINT.fullmatch(text[end + 1 : following][:40])):
            break
        contents.append(text[inner:end].strip())
        following = start
    unique = list(dict.fromkeys(reversed(contents)))
    return ", ".join(unique)


def _is_formula(content: str) -> bool:
    """False for what stands between two prices: `$5 a day and then $`."""
    return not _PROSE.search(content) and not content.endswith(" ")


def _formulas(text: str) -> list[tuple[str, int, int]]:
    spans = [(next(group for group in match.groups() if group), *match.span()) for match in _FORMULA.finditer(text)]
    return [span for span in spans if _is_formula(span[0])]


def _from_sentence(tail: str, prefer_last: bool) -> str:
    """The answer in what follows an anchor: a formula, the whole sentence, what is after `=`, or one number of it."""
    formulas = _formulas(tail[:MAX_SENTENCE])
    end = _SENTENCE_END.search(tail)
    sentence = tidy(tail[: end.start() if end else None][:MAX_SENTENCE])
    if parse_number(sentence) is not None:
        return sentence
    if formulas and (end is None or formulas[0][1] < end.start()):
        parts = [formulas[0]]
        for formula in formulas[1:]:
            if not _JOINT.fullmatch(tail[parts[-1][2] : formula[1]]):
                break
            parts.append(formula)
        return ", ".join(part[0].strip() for part in parts)
    last_side = sentence.rpartition("=")[2].strip()
    if "=" in sentence and parse_number(last_side) is not None:
        return last_side
    if _LIST.fullmatch(sentence) or not _PROSE.search(sentence):
        return sentence
    numbers = ANY_NUMBER.findall(sentence)
    return numbers[-1 if prefer_last else 0].strip() if numbers else sentence


def _hashes(text: str) -> str | None:
    lines = [line.strip() for line in _HASHES.findall(text)]
    answers = [line for line in lines if parse_number(line) is not None or not _PROSE.search(line)]
    return answers[-1] if answers else None


def _sentence(text: str) -> str | None:
    anchors = list(_ANCHOR.finditer(text))
    for anchor in reversed(anchors[-20:]):
        tail = text[anchor.end() : anchor.end() + 2 * MAX_SENTENCE]
        if tail.strip():
            return _from_sentence(
                tail, prefer_last=anchor.group("line") is not None or anchor.group().rstrip("*_ \t")[-1] in ":="
            )
    return None


def _tag(text: str) -> str | None:
    start = text.rfind("<answer>")
    if start < 0:
        return None
    content = text[start + len("<answer>") :].partition("</answer>")[0].strip()
    if not content:
        return None
    return _sentence(content) or (_from_sentence(content, prefer_last=True) if _PROSE.search(content) else content)


def _last_resort(text: str) -> str | None:
    text = text[-LAST_RESORT_CHARACTERS:]
    numbers = list(ANY_NUMBER.finditer(text))
    formulas = _formulas(text)
    if formulas and (not numbers or formulas[-1][2] >= numbers[-1].end()):
        return formulas[-1][0].strip()
    return numbers[-1].group().strip() if numbers else None


def extract(response: str, strict: bool = False) -> Found | None:
    """The final answer of `response`, or None where it states none.

    Args:
        response: What the model wrote: any text at all.
        strict: Take only marked answers, never the last number.
    """
    text = after_thoughts(to_ascii(response))
    rules = (("boxed", boxed), ("hashes", _hashes), ("tag", _tag), ("sentence", _sentence), ("last", _last_resort))
    for how, rule in rules[: -1 if strict else None]:
        answer = rule(text)
        if answer is not None and tidy(answer):
            return Found(tidy(answer), how)  # type: ignore[arg-type]
    return None
