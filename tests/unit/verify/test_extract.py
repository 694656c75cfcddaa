import pytest

from rayrl.verify.latex_variants import to_latex
from rayrl.verify.maths import find_answer
from rayrl.verify.text import after_thoughts


def extract(response, strict=False):
    return find_answer(to_latex(after_thoughts(response)), strict)


@pytest.mark.parametrize(
    ("response", "text", "how"),
    [
        (r"So \boxed{42}.", "42", "boxed"),
        (r"First \boxed{1} but no, it must be the other one: \boxed{2}", "2", "boxed"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", "boxed"),
        (r"\boxed{\boxed{7}}", "7", "boxed"),
        (r"\fbox{7} or \framebox{8}", "7, 8", "boxed"),
        (r"\boxed{1} and \boxed{2}", "1, 2", "boxed"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (r"\boxed 7", "7", "boxed"),
        (r"\boxed{3} and then \boxed{4", "3", "boxed"),
        ("2 + 2 = 4\n#### 4", "4", "hashes"),
        ("#### Step 2: add them up\n2 + 2 = 4\n#### 1,234 apples", "1,234 apples", "hashes"),
        ("<answer>\n4\n</answer>", "4", "tag"),
        ("<answer>1</answer> no <answer>4</answer>", "4", "tag"),
        ("<answer>4", "4", "tag"),
        ("<answer>It costs 4 dollars and not more</answer>", "4", "tag"),
        (r"<answer>\boxed{4}</answer>", "4", "boxed"),
        ("The answer is 4.", "4", "sentence"),
        ("The answer is $18 a day.", "$18 a day", "sentence"),
        ("The answer is $x = 4$, as was to be shown.", "x = 4", "sentence"),
        ("The answer to the question is: **4**.", "4", "sentence"),
        ("**Answer:** 4", "4", "sentence"),
        ("Answer:\n\n4", "4", "sentence"),
        ("2 + 2\nA: 4", "4", "sentence"),
        ("The answer is 2 + 2 = 4.", "2 + 2 = 4", "sentence"),
        ("Answer: all of them, so 2 + 2 = 4.", "4", "sentence"),
        ("The answer is $1$ or $2$.", "$1$ or $2$", "sentence"),
        ("The answer is 1 or 2.", "1 or 2", "sentence"),
        ("The answer is 4 because there were 8 at first", "4", "sentence"),
        ("Answer: for 5 days she needs 100", "100", "sentence"),
        ("Final answer: (C)", "(C)", "sentence"),
        ("It takes 3 days and costs $1,234.50 in all.", "1234.50", "last"),
        ("Hence $x = 5$.", "x = 5", "last"),
        ("From 10 to 12%", "12%", "last"),
        (r"<think>\boxed{3}</think>The answer is 4.", "4", "sentence"),
        (r"\boxed{3}</think>  ", "3", "boxed"),
    ],
)
def test_where_the_answer_stands(response, text, how):
    found = extract(response)
    assert found is not None
    assert (found.text, found.how) == (text, how)


@pytest.mark.parametrize("response", ["It costs 4.", "Hence $x = 5$.", "no idea", "", r"\boxed{}", "\x00"])
def test_strict_takes_marked_answers_only(response):
    assert extract(response, strict=True) is None


@pytest.mark.parametrize(
    ("response", "text"),
    [(r"The answer is 5. \boxed{4}", "4"), ("#### 5\nThe answer is 4", "5"), ("<answer>4</answer> A: 5", "4")],
)
def test_order_of_rules_is_the_same_when_strict(response, text):
    for strict in (False, True):
        found = extract(response, strict)
        assert found is not None
        assert found.text == text


@pytest.mark.parametrize("response", ["", "   \n", "no number here", "abc2def", "<answer></answer>"])
def test_no_answer(response):
    assert extract(response) is None
