"""Agreement with labelled solutions that real models wrote, and with plain math-verify on them."""

import json
import logging
from pathlib import Path

import pytest

from rayrl.verify.maths import verify

LABELLED = Path(__file__).parents[4] / "shared/data/labelled/gsm8k_solutions.jsonl"


@pytest.fixture(scope="module")
def rows():
    if not LABELLED.is_file():
        pytest.skip(f"the labelled solutions are not here ({LABELLED})")
    return [json.loads(line) for line in LABELLED.read_text().splitlines()]


@pytest.mark.parametrize("strict", [False, True])
def test_labelled_solutions(rows, strict):
    agree = [(verify(row["response"], row["gold"], strict=strict).score == 1.0) == row["correct"] for row in rows]
    assert sum(agree) / len(rows) >= 0.999


def test_never_worse_than_plain_math_verify(rows):
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    sample = rows[::5]
    ours = sum((verify(row["response"], row["gold"]).score == 1.0) == row["correct"] for row in sample)
    theirs = 0
    for row in sample:
        gold = math_verify.parse(row["gold"], parsing_timeout=None)
        answer = math_verify.parse(row["response"], parsing_timeout=None)
        theirs += math_verify.verify(gold, answer, timeout_seconds=None) == row["correct"]
    assert ours >= theirs
