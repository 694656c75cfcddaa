"""TAT-QA's gold answers, restated in other scales and notations by a generator: correct. Changed: incorrect."""

import json
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from rayrl.errors import DataError
from rayrl.verify.finance.gold import read_gold
from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.verdict import verify
from rayrl.verify.text import gold_text

TATQA = Path(__file__).parents[4] / "shared/data/tatqa/dev.json"
UNITS = {1: ("",), 10**3: (" thousand", "K"), 10**6: (" million", "M", " mn"), 10**9: (" billion", "B", "bn")}
SCALES = {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "percent": Fraction(1, 100)}
SIGN_IN_WORDS = re.compile(
    r"decreas|declin|loss|paid|dividend|purchase|capital expend|lower|reduc|outflow|cash (?:\w+ ){0,3}used",
    re.IGNORECASE,
)
SENTENCES = (
    "{}",
    "The answer is {}.",
    "It was {} in FY2019.",
    r"\boxed{{{}}}",
    "<think>Is it 12, or 7?</think>\n<answer>{}</answer>",
    "According to Note 7 of the 10-K for the year ended December 31, 2018, it was {}.",
    "#### {}",
    "**{}**",
    "The parts are 1.5 and 2.25.\nTherefore, the amount asked for is {}.",
)


@dataclass(frozen=True)
class Case:
    question: str
    gold: str
    scale: str
    amounts: tuple[Amount, ...]


@pytest.fixture(scope="module")
def cases():
    if not TATQA.is_file():
        pytest.skip(f"TAT-QA's dev set is not here ({TATQA})")
    found = []
    for table in json.loads(TATQA.read_text()):
        for row in table["questions"]:
            gold = gold_text(row["answer"])
            amounts = read_gold(gold).amounts if read_gold(gold).kind == "amounts" else ()
            if amounts and not any(amount.year_like for amount in amounts):
                found.append(Case(row["question"], gold, row["scale"], amounts))
    assert len(found) > 1000
    return found


def shown(value: Fraction) -> str:
    """A terminating decimal, with thousands separators."""
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(text: str, negative: bool, draw: random.Random) -> str:
    if not negative:
        return text
    return draw.choice(["-{}", "({})", "minus {}", "negative {}"]).format(text)


def written(value: Fraction, scale: str, currency: str | None, draw: random.Random, named: bool = False) -> str:
    """`value`, in units of one, in some notation that names its unit where the gold has one; always, if `named`."""
    size, negative = abs(value), value < 0
    if scale == "percent":
        percent, unit = draw.choice([(100, "%"), (100, " %"), (100, " percent"), (100, " per cent"), (10_000, " bps")])
        return signed(f"{shown(size * percent)}{unit}", negative, draw)
    if scale == "":
        return signed(shown(size), negative, draw)
    factor = draw.choice(list(UNITS)[named:])
    unit = draw.choice(UNITS[factor])
    money = draw.choice({None: ["", "$", "USD "], "USD": ["", "$", "USD "]}.get(currency, [""]))
    if negative and draw.random() < 0.3:
        return f"{money}({shown(size / factor)}){unit}"
    return signed(f"{money}{shown(size / factor)}{unit}", negative, draw)


def worth(case: Case, amount: Amount) -> Fraction:
    return amount.value * (SCALES[case.scale] if amount.bare else 1)


def unit_of(case: Case, amount: Amount) -> str:
    """Percent, a scale, or nothing, as gold or data set say."""
    if amount.percent:
        return "percent"
    return case.scale or ("thousand" if amount.scaled else "")


def says(case: Case, answer: str, sentence: str) -> str:
    verdict = verify(sentence.format(answer), case.gold, question=case.question, scale=case.scale or None)
    return verdict.status


def test_restated_golds_are_correct(cases):
    draw = random.Random(0)
    wrong = []
    for case in cases:
        for _ in range(3 if len(case.amounts) == 1 else 1):
            answers = [
                written(worth(case, amount), unit_of(case, amount), amount.currency, draw) for amount in case.amounts
            ]
            answer = draw.choice([" and ", "; ", "\n"]).join(answers)
            sentence = draw.choice(SENTENCES) if "\n" not in answer else "{}"
            if says(case, answer, sentence) != "correct":
                wrong.append((case.gold, case.scale, sentence.format(answer)))
    assert wrong == []


def changes(case: Case, amount: Amount) -> list[Fraction]:
    """Values, in units of one, that are not the gold's."""
    value = worth(case, amount)
    unit = SCALES[case.scale] if amount.bare else amount.factor
    apart = max(3 * amount.step * unit, abs(value) / 50)
    found = [value + apart, value - apart]
    if value and unit_of(case, amount):
        found += [value * 1000, value / 1000]
    if value and not SIGN_IN_WORDS.search(case.question):
        found.append(-value)
    return found


def test_changed_golds_are_incorrect(cases):
    draw = random.Random(1)
    wrong = []
    for case in cases:
        values = [worth(case, amount) for amount in case.amounts]
        at = draw.randrange(len(values))
        for change in changes(case, case.amounts[at]):
            if change in values:
                continue
            changed = [*values[:at], change, *values[at + 1 :]]
            answers = [
                written(value, unit_of(case, amount), amount.currency, draw, named=True)
                for value, amount in zip(changed, case.amounts, strict=True)
            ]
            sentence = draw.choice(SENTENCES)
            if says(case, " and ".join(answers), sentence) == "correct":
                wrong.append((case.gold, case.scale, sentence.format(" and ".join(answers)), case.question))
    assert wrong == []


def test_every_gold_is_read_and_agrees_with_itself():
    if not TATQA.is_file():
        pytest.skip(f"TAT-QA's dev set is not here ({TATQA})")
    wrong = []
    for table in json.loads(TATQA.read_text()):
        for row in table["questions"]:
            gold = gold_text(row["answer"])
            try:
                read_gold(gold)
            except DataError as error:
                wrong.append(str(error))
            answer = f"<answer>{gold}</answer>"
            if verify(answer, gold, question=row["question"], scale=row["scale"]).status != "correct":
                wrong.append(gold)
    assert wrong == []
