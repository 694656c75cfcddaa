"""(gold, response, right) out of published golds: each in many wrappings and notations, and perturbed into wrong ones.

Golds are those of Minerva, AQuA, Gaokao, AMC and AIME as their authors publish them. Nothing is drawn: the same files
give the same pairs.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rayrl.verify.extract import boxed

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FIRST_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Pair:
    """A response to judge. wrapping: how the answer was written; right: whether it is the gold's."""

    source: str
    wrapping: str
    gold: str
    response: str
    right: bool


def _minerva(row: dict[str, str]) -> str | None:
    return boxed(row["solution"])


def _aqua(row: dict[str, str]) -> str | None:
    options: list[str] = row["options"]  # type: ignore[assignment]
    chosen = next(option for option in options if option.startswith(row["correct"]))
    return chosen.partition(")")[2].strip()


def _answer(row: dict[str, str]) -> str | None:
    text = str(row["answer"])
    return text[:-2] if text.endswith(".0") else text.strip("$")


SOURCES: dict[str, Callable[[dict[str, str]], str | None]] = {
    "minerva_math": _minerva,
    "aqua": _aqua,
    "gaokao2023en": _answer,
    "amc23": _answer,
    "aime24": _answer,
}


def golds(folder: Path) -> Iterator[tuple[str, str]]:
    """(source, gold as the inside of a formula) of each row that has one."""
    for source, read in SOURCES.items():
        for line in (folder / f"{source}.jsonl").read_text().splitlines():
            gold = read(json.loads(line))
            if gold and gold.strip() and "$" not in gold.replace("\\$", ""):
                yield source, gold.strip()


def _is_letter(gold: str) -> bool:
    return bool(re.fullmatch(r"\(?[A-J]\)?", gold))


WRAPPINGS = {
    "box": r"Adding up, we get \boxed{{{0}}}.",
    "box in dollars": r"Therefore the result is $\boxed{{{0}}}$.",
    "box in a display": "Hence\n\\[\n\\boxed{{{0}}}\n\\]",
    "dollars": r"Hence we find ${0}$.",
    "two dollars": "Hence we find\n$$ {0} $$",
    "brackets": "Hence we find\n\\[ {0} \\]",
    "parentheses": r"Hence we find \( {0} \).",
    "the answer is": r"Putting it together, the answer is ${0}$.",
    "final answer": r"The final answer is ${0}$. I hope it is correct.",
    "tag": "<think>Let me see.</think><answer>${0}$</answer>",
    "answer colon": "So that is it.\n\nAnswer: ${0}$",
    "fbox": r"Thus $\fbox{{{0}}}$.",
    "dfrac": r"Thus $\boxed{{{0}}}$.",
    "left and right": r"Thus $\boxed{{{0}}}$.",
    "thin space": r"Thus $\boxed{{{0}\,}}$",
}


def _as_written(name: str, body: str) -> str:
    if name == "dfrac":
        return body.replace("\\frac", "\\dfrac")
    if name == "left and right":
        return re.sub(r"(?<!\\right)\)", r"\\right)", re.sub(r"(?<!\\left)\(", r"\\left(", body))
    return body


def perturbed(body: str) -> str | None:
    """`body` with its first number raised by one: another answer. None where it has none."""
    match = _FIRST_NUMBER.search(body)
    if match is None:
        return None
    return f"{body[: match.start()]}{int(match[0]) + 1}{body[match.end() :]}"


def _plain(number: str) -> Iterator[tuple[str, str]]:
    """Ways to write a plain number in text."""
    yield "final sentence", f"There were more at first, so there are {number} of them."
    yield "the answer is, plain", f"The answer is {number}."
    yield "bold", f"**Answer:** **{number}**"
    yield "unit in a box", rf"So it is \boxed{{{number} \text{{ cm}}}}."
    yield "unit in text", f"So the length is {number} cm."
    yield "named", rf"Solving gives \boxed{{x = {number}}}."
    yield "glued unit", f"The area is {number}m²."
    if "." in number:
        yield "decimal comma", f"Das sind {number.replace('.', ',')} €"
    elif len(number) > 3 and number.isdecimal():
        yield "thousands", rf"So \boxed{{{int(number):,}}}."
        yield "thousands in text", f"In all that is {int(number):,}."
        yield "braced comma", rf"So $\boxed{{{f'{int(number):,}'.replace(',', '{,}')}}}$."


def _together(first: str, second: str) -> Iterator[tuple[str, str, str, bool]]:
    """(wrapping, gold, response, right) of two golds in one answer."""
    both, swapped = f"{first}, {second}", f"{second}, {first}"
    yield "list", both, rf"So \boxed{{{swapped}}}.", True
    yield "list, one missing", both, rf"So \boxed{{{second}}}.", False
    yield "several boxes", both, rf"So $\boxed{{{first}}}$ and $\boxed{{{second}}}$.", True
    yield "several formulas", both, rf"The values are ${first}$ and ${second}$.", True
    yield "pair", f"({both})", rf"So \boxed{{\left({both}\right)}}.", True
    yield "pair, other way round", f"({both})", rf"So \boxed{{({swapped})}}.", False
    matrix = rf"\begin{{pmatrix}} {first} & {second} \\ 0 & 1 \end{{pmatrix}}"
    yield "matrix", matrix, "So $$" + matrix.replace("pmatrix", "bmatrix") + "$$", True
    yield (
        "matrix, other way round",
        matrix,
        "So $$" + matrix.replace(both.replace(",", " &"), swapped.replace(",", " &")) + "$$",
        False,
    )


def pairs(folder: Path, every: int = 1) -> Iterator[Pair]:
    """All pairs of each `every`-th gold. folder: with minerva_math.jsonl and the others."""
    known = [entry for entry in golds(folder) if not _is_letter(entry[1])]
    before: str | None = None
    for source, gold in known[::every]:
        wrong = perturbed(gold)
        for name, template in WRAPPINGS.items():
            yield Pair(source, name, gold, template.format(_as_written(name, gold)), True)
            if wrong is not None:
                yield Pair(source, name, gold, template.format(_as_written(name, wrong)), False)
        if _NUMBER.fullmatch(gold):
            for name, response in _plain(gold):
                yield Pair(source, name, gold, response, True)
            for name, response in _plain(wrong or "0"):
                yield Pair(source, name, gold, response, False)
            if before is not None and before != gold:
                for name, both, response, right in _together(before, gold):
                    yield Pair(source, name, both, response, right)
            before = gold
