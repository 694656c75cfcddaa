"""Letters of multiple-choice answers."""

import time

import pytest

from rayrl.verify.choice import verify


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("C", "C"),
        ("(C)", "C"),
        ("**C**", "C"),
        ("C. reduce the carrying capacity", "C"),
        ("Answer: C", "C"),
        ("The answer is (C).", "C"),
        ("A is wrong, B too.\nThe correct answer is C because of that", "C"),
        ("The answer is A because it is", "A"),
        ("Option B. No: the answer is C.", "C"),
        ("<think>Option A?</think>\n<answer>C</answer> not option B", "C"),
        (r"So option B is out: \boxed{\text{C}}", "C"),
        ("A frameshift mutation is created when", None),
        ("The answer is a frameshift", None),
        ("", None),
        ("I cannot say.", None),
    ],
)
def test_the_letter_is_read(response: str, letter: str | None) -> None:
    for gold in "ABCD":
        verdict = verify(response, gold)
        assert verdict.extracted == letter
        assert verdict.score == float(letter == gold)
        assert verdict.status == ("unparseable" if letter is None else "correct" if letter == gold else "incorrect")


def test_a_gold_that_is_no_letter_gives_no_score() -> None:
    assert verify("C", "7").score is None
    assert verify("C", "(c)").score is None
    assert verify("C", "C.").score == 1.0


@pytest.mark.parametrize("part", ["answer ", "answer is : ", "<answer>", "\\boxed{", "*", "option: ("])
def test_hostile_responses_take_no_time(part: str) -> None:
    started = time.monotonic()
    verify(part * 100_000, "C")
    assert time.monotonic() - started < 2
