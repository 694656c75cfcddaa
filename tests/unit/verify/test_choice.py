"""Letters of multiple-choice answers."""

import pytest

from rayrl.verify.choice import verify
from tests.clock import lowest_cpu_seconds


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
        ("The correct answer is C. Option A is wrong because it ignores tax, and option D is wrong too.", "C"),
        ("The answer is C, not option A.", "C"),
        ("The answer is C. Answer A fails.", "C"),
        ("The answer is option C. Choice A fails.", "C"),
        ("The correct option is C. Option A is wrong.", "C"),
        ("**Answer**: C", "C"),
        ("Answer (C)", "C"),
        ("C. Option A is wrong because of tax.", "C"),
        ("C. as A\nB. is wrong", "C"),
        ("C, I think, as option A is wrong.", "C"),
        ("A, B and D are wrong, so option C.", "C"),
        ("A: no.\nB: no.\nC: yes. So option C.", "C"),
        ("A. ice\nB. air\nC. gas\nD. sun", None),
        ("<think>The answer is A? No.</think>\n\nC", "C"),
        ("<think>The answer is C.</think>\n", "C"),
        (r"$\boxed{\text{(C)}}$", "C"),
        (r"\boxed{\mathrm{C}}", "C"),
        (r"\boxed{\textbf{(C) } 12}", "C"),
        (r"\boxed{\text{A cat}}", None),
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


@pytest.mark.parametrize("part", ["answer ", "answer is : ", "<answer>", "\\boxed{", "*", "option: (", "A\nB", "A    "])
def test_hostile_responses_take_no_time(part: str) -> None:
    seconds, _ = lowest_cpu_seconds(lambda: verify(part * 100_000, "C"), under=2)
    assert seconds < 2
