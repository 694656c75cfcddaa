from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayrl.verify.numbers import parse_number, same_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-42", -42),
        ("−42", None),  # a Unicode minus is made plain by extraction, not here
        ("+42", 42),
        ("0042", 42),
        ("42.", 42),
        (".5", Fraction(1, 2)),
        ("1,234", 1234),
        ("1,234,567.89", Fraction("1234567.89")),
        ("1 234 567", 1234567),
        (r"1\,234", 1234),
        ("1{,}234", 1234),
        ("1,23,456", 123456),
        ("1,2", None),
        ("1,2345", None),
        ("$18", 18),
        (r"\$18.50", Fraction("18.5")),
        ("-$5", -5),
        ("$-5", -5),
        ("€ 5", 5),
        ("3/4", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"\dfrac34", Fraction(3, 4)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        (r"\frac{-3}{4}", Fraction(-3, 4)),
        ("1 1/2", Fraction(3, 2)),
        (r"1\frac{1}{2}", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("1/0", None),
        (r"\frac{1}{0}", None),
        ("50%", Fraction(1, 2)),
        (r"50 \%", Fraction(1, 2)),
        ("50 percent", Fraction(1, 2)),
        ("2.5e3", 2500),
        (r"2.5 \times 10^{3}", 2500),
        (r"2.5 \times 10^{-3}", Fraction(1, 400)),
        ("1e9999", None),
        ("3 million", 3_000_000),
        ("1.5 billion dollars", 1_500_000_000),
        ("42 apples", 42),
        ("42 apples per day", 42),
        (r"42\text{ km/h}", 42),
        (r"42 \mathrm{~cm}^2", 42),
        ("42 cm^2", 42),
        ("42cm", 42),
        (r"45^\circ", 45),
        (r"45^{\circ} C", 45),
        ("x = 5", 5),
        ("2 + 3 = 5", 5),
        ("x = 1, y = 2", None),
        ("about 5", 5),
        ("12 (twelve)", 12),
        ("21 (twenty-one)", 21),
        ("50 (percent)", Fraction(1, 2)),
        ("12 (or thirteen)", None),
        ("5 (mod 7)", None),
        ("2 (pi)", None),
        ("2 (x)", None),
        ("2(ab)", None),
        (r"(B)\ 12", 12),
        (r"\textbf{(B) } 12", 12),
        ("B. 12", 12),
        (r"E) -\frac{1}{2}", Fraction(-1, 2)),
        ("(B)12", None),
        ("B 12", None),
        ("(K) 12", None),
        ("5x", None),
        ("5 x", None),
        ("2 pi", None),
        (r"2\pi", None),
        ("5 and 6", None),
        ("2 to 1", None),
        ("3:4", None),
        ("1-2", None),
        ("", None),
        ("apples", None),
        ("9" * 301, None),
        ("9" * 100_000, None),
    ],
)
def test_what_is_a_number(text, value):
    number = parse_number(text)
    assert (None if number is None else number.value) == value


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("0.5", "1/2", True),
        ("0.333333", "1/3", True),
        ("0.333", "1/3", False),
        ("0.666667", "2/3", True),
        ("5", "5.0", True),
        ("5.01", "5", False),
        ("1/3", "2/6", True),
        ("333333/1000000", "1/3", False),  # two fractions: exactly or not at all
        ("0.0000001", "0.0000002", False),  # the tolerance is never more than 0.1 %
        ("50%", "0.5", True),
        ("50%", "50", True),
        ("50", "50%", True),
        ("50%", "50%", True),
        ("0.5%", "50%", False),
        ("18", "-18", False),
        ("5 m", "5 km", False),
        ("5 m", "500 cm", True),
        (r"5\text{ m}", "5 meters", True),
        ("2.54 cm", "1 inch", True),
        ("90 minutes", "1.5 hours", True),
        ("90 minutes", "90 hours", False),
        ("5 m", "5 seconds", False),
        ("1 m^2", "10000 cm^2", True),
        ("1 m^2", "1 m", False),
        ("5 km", "5", True),
        ("5 apples", "5 km", True),
        ("50 cents", "0.5 dollars", True),
        ("50 cents", "$0.50", True),
        ("50 cents", "$50", False),
        (r"\$50", "50 cents", False),
        ("50 dollars", "$50", True),
        ("50", "$50", True),
        ("$3 million", "3000000 dollars", True),
        ("12 (cm)", "120 mm", True),
        ("12 (cm)", "12 m", False),
    ],
)
def test_same_number(answer, gold, same):
    first, second = parse_number(answer), parse_number(gold)
    assert first is not None
    assert second is not None
    assert same_number(first, second) is same


@given(st.integers(-(10**30), 10**30))
def test_integers_read_back_however_they_are_written(number):
    for text in (
        str(number),
        f"{number:,}",
        f"{number:,}".replace(",", "{,}"),
        f"${number}$".strip("$"),
        f"{number} km",
    ):
        read = parse_number(text)
        assert read is not None
        assert read.value == number


@given(st.decimals(-(10**12), 10**12, places=4))
def test_decimals_are_exact(number):
    read = parse_number(f"{number:,f}")
    assert read is not None
    assert read.value == Fraction(number)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**9))
def test_fractions_are_exact(over, under):
    for text in (f"{over}/{under}", rf"\frac{{{over}}}{{{under}}}", rf"\dfrac{{{over}}}{{{under}}}"):
        read = parse_number(text)
        assert read is not None
        assert read.value == Fraction(over, under)


@given(st.text(max_size=200))
def test_any_text_is_read_or_not(text):
    parse_number(text)
