import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayrl.errors import DataError
from rayrl.verify.maths import read_gold, verify
from rayrl.verify.text import gold_text


@pytest.mark.parametrize(
    ("response", "gold", "status"),
    [
        (r"\boxed{42}", "42", "correct"),
        (r"\boxed{42}", "42.0", "correct"),
        (r"\boxed{1,234}", "1234", "correct"),
        (r"\boxed{50 cents}", "$0.50", "correct"),
        (r"\boxed{50 cents}", "$50", "incorrect"),
        (r"\boxed{12 (twelve)}", "12", "correct"),
        (r"\boxed{(B)\ 12}", "12", "correct"),
        (r"\boxed{(B)\ 13}", "12", "incorrect"),
        (r"\boxed{(B)\ 12}", "B", "correct"),
        (r"\boxed{(B)\ 12}", "(A)", "incorrect"),
        (r"\boxed{18}", "She sold 9 * 2 = <<9*2=18>>18 eggs.\n#### 18", "correct"),
        (r"\boxed{18}", r"... so the area is $\boxed{18}$.", "correct"),
        (r"\boxed{0.75}", r"\frac{3}{4}", "correct"),
        (r"\boxed{５}", "5", "correct"),  # full-width
        (r"\boxed{٤٢}", "42", "correct"),  # Arabic-Indic
        (r"\boxed{−5}", "-5", "correct"),
        (r"\boxed{½}", "0.5", "correct"),
        (r"\boxed{x²}", "x^2", "correct"),
        (r"\boxed{2√3}", r"2\sqrt{3}", "correct"),
        (r"\boxed{\sqrt{16}}", "4", "correct"),
        (r"\boxed{(x+1)^2}", "x^2+2x+1", "correct"),
        (r"\boxed{x^2+2x+2}", "(x+1)^2", "incorrect"),
        (r"\boxed{\frac{\pi}{3}}", r"$\frac{\pi}{3}$", "correct"),
        (r"\boxed{2\pi}", "2", "incorrect"),
        (r"\boxed{5x}", "5", "incorrect"),
        (r"\boxed{(1,2)}", "(1,2)", "correct"),
        (r"\boxed{(2,1)}", "(1,2)", "incorrect"),
        (r"\boxed{2, 1}", "1,2", "correct"),
        (r"\boxed{1, 2}", "2", "incorrect"),
        ("The answer is 1 or 2.", "1", "incorrect"),
        (r"\boxed{-2 \leq x < 1}", "[-2,1)", "correct"),
        (r"\boxed{[-2,1)}", r"$\{x|-2\leq x < 1\}$", "correct"),
        (r"\boxed{3+4i}", "4i+3", "correct"),
        (r"\boxed{x=5}", "5", "correct"),
        (r"\boxed{5}", "x=5", "correct"),
        (r"\boxed{\textbf{(C)}\ 5}", "C", "correct"),
        ("The answer is (C).", "C", "correct"),
        ("Answer: B", "C", "incorrect"),
        (r"\boxed{\text{East}}", "east", "correct"),
        ("The answer is yes.", "Yes", "correct"),
        (r"\boxed{no}", "yes", "incorrect"),
        (r"\boxed{7}", "yes", "incorrect"),
        (r"\boxed{seven}", "7", "incorrect"),
        ("I do not know", "7", "unparseable"),
        ("", "7", "unparseable"),
        (r"\boxed{\frac{}", "7", "unparseable"),
        (r"\boxed{\frac{}{+}}", "7", "unparseable"),
        (r"\boxed{\frac{1}{0}}", "7", "incorrect"),
    ],
)
def test_verdicts(response, gold, status):
    verdict = verify(response, gold)
    assert verdict.status == status
    assert verdict.score == (1.0 if status == "correct" else 0.0)


def test_strict_ignores_the_last_number():
    assert verify("It is 7", "7").status == "correct"
    verdict = verify("It is 7", "7", strict=True)
    assert (verdict.score, verdict.status) == (0.0, "unparseable")


@pytest.mark.parametrize(
    "gold",
    ["", "  ", "nan", "N/A", r"\frac{1}{", "np.arcsin(10/13)", "word " * 50, "9" * 1000, r"10^{10^{10}}", r"\boxed{}"],
)
def test_an_unreadable_gold_gives_no_score(gold):
    with pytest.raises(DataError, match="gold answer"):
        read_gold(gold)
    verdict = verify(r"\boxed{7}", gold)
    assert (verdict.score, verdict.status) == (None, "error")
    assert "gold answer" in verdict.reason


@pytest.mark.parametrize(
    "gold",
    [
        "7",
        "-7.50",
        "3/4",
        "A",
        "east",
        "no solution",
        r"\sqrt{2}",
        "(1,2)",
        "x^2",
        "1, 2",
        r"e^{-\frac{t}{RC}}",
        r"\sqrt{2} + " * 25 + "x",
    ],
)
def test_a_gold_answers_itself(gold):
    read_gold(gold)
    assert verify(rf"\boxed{{{gold}}}", gold).status == "correct"


def test_gold_columns_of_other_types():
    assert [gold_text(value) for value in (27.0, 2.5, 3, None, float("nan"), "x")] == ["27", "2.5", "3", "", "", "x"]


@given(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20))
def test_equal_integers_and_no_others_are_correct(answer, gold):
    assert verify(f"The answer is {answer}.", str(gold)).score == float(answer == gold)
    assert verify(rf"\boxed{{{gold:,}}}", str(gold)).score == 1.0


@given(st.text(max_size=300), st.sampled_from(["7", "A", "yes"]))
def test_any_response_gets_a_verdict(response, gold):
    verdict = verify(response, gold)
    assert verdict.score in (0.0, 1.0)
    assert verdict.status in ("correct", "incorrect", "unparseable")


PIECES = [
    *"0127+-*/=<>^_{}()[]|,.%$!&: \nxei",
    "\\boxed{",
    "\\frac",
    "\\sqrt",
    "\\text{",
    "\\pi",
    "\\{",
    "\\}",
    "answer is ",
]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_any_latex_gets_a_verdict(pieces):
    response = "".join(pieces)
    assert verify(rf"\boxed{{{response}}}", "7").score in (0.0, 1.0)
    assert verify(response, r"\sqrt{2}").score in (0.0, 1.0)
