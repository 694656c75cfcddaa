"""A sum that is not worked out repeats the question: no reward where a number is asked for."""

import pytest

from rayrl.verify.maths import verify
from rayrl.verify.sums import without_sums

REPEATED = [
    "4 + 8 - 6",
    "4 + 8 - 6 indeed equals ",
    "4 + 8 - 6 =",
    "(4 + 8) - 6 gives",
    "4+8-6",
    "$4 + 8 - 6$ is",
    "\\(4 + 8 - 6\\) is then",
    "The answer is 4 + 8 - 6.",
    "The answer to 4 + 8 - 6",
    "The final answer to the problem 2 \\times 3",
    "#### 4 + 8 - 6",
    "<answer>4 + 8 - 6</answer>",
    "So it is 12 ÷ 2 which gives",
    "-4 + 10 equals",
    "* 4 + 8 - 6 gives",
    "that is +4 + 8 - 6, which",
    "1/2 + 11/2",
]
WORKED = [
    "4 + 8 - 6 = 6",
    "4 + 8 - 6 indeed equals 6.",
    "6 = 4 + 8 - 6",
    "There are 6 left, as 4 + 8 - 6.",
    "$4 + 8 - 6 = 6$",
    "The answer to $4 + 8 - 6$ is 6",
    "\\boxed{4 + 8 - 6}",  # as math-verify: a box holds an answer
    "12/2",
    "0.6 \\times 10^{1}",
    "$\\sqrt{16} + 2$",
    "It is \\( (4 + 8 - 6) \\).",
]


@pytest.mark.parametrize("response", REPEATED)
def test_the_question_is_no_answer(response: str) -> None:
    assert verify(response, "6").score == 0.0


@pytest.mark.parametrize("response", WORKED)
def test_what_is_worked_out_is(response: str) -> None:
    assert verify(response, "6").score == 1.0


def test_a_gold_that_is_a_sum_may_be_given_as_one() -> None:
    assert verify("It is $2 + 3i$", "2 + 3i").score == 1.0
    assert verify("The answer is $1 + \\sqrt{2}$", "\\sqrt{2} + 1").score == 1.0


STAY = ["3/4", "3 \\times 10^{5}", "2.5 * 10**3", "$x^2 + 3 + 4$", "2\\sqrt{3} + 4 - 1", "5 - 3i", "x - 2 - 3"]
STAY += ["12 5/6", "\\frac{3 + 4}{7}", "log_2 8 + 1", "2^3 + 1", "7 * 8 * x", "3 + 4!", "\\sin 3 + 4"]


@pytest.mark.parametrize("text", STAY)
def test_numbers_and_parts_of_larger_expressions_stay(text: str) -> None:
    assert without_sums(text) == text
