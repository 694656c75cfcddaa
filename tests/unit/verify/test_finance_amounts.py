from fractions import Fraction

import pytest

from rayrl.verify.finance.reading.amounts import amounts_in, only_amount


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1577.00", "1577"),
        ("1,296,660", "1296660"),
        ("$(389) million", "-389000000"),
        ("($389 million)", "-389000000"),
        ("(472.7)", "-472.7"),
        ("1,234-", "-1234"),
        ("-$546 million", "-546000000"),
        ("minus 3.5", "-3.5"),
        ("USD 3bn", "3000000000"),
        ("$2.5K", "2500"),
        ("1.2M", "1200000"),
        ("12 mn", "12000000"),
        ("7 trillion", "7000000000000"),
        ("INR19", "19"),
        ("€1.5m", "1500000"),
        ("1.234.567,89 €", "1234567.89"),
        ("1'234'567", "1234567"),
        ("1 234 567", "1234567"),
        ("12.5 %", "0.125"),
        ("6.14 per cent", "0.0614"),
        ("(2.5%)", "-0.025"),
        ("3 percentage points", "0.03"),
        ("50 bps", "0.005"),
        ("5 basis points", "0.0005"),
        ("1.2x", "1.2"),
        ("1.5e3", "1500"),
        ("12,5 %", "0.125"),
        ("-63,59%", "-0.6359"),
        ("12,50 €", "12.5"),
        ("€12,5 million", "12500000"),
        ("1.234,5 %", "12.345"),
        ("1,577 %", "15.77"),
        ("1,23,456 million", "123456000000"),
        ("5 1/4%", "0.0525"),
        (r"5\frac{1}{4}%", "0.0525"),
        ("8-3/4 percent", "0.0875"),
        ("2 1/2 million", "2500000"),
        ("45 cents", "0.45"),
        ("4.5¢", "0.045"),
        ("100 dollars", "100"),
        ("3 crore", "30000000"),
    ],
)
def test_notations(text, value):
    amount = only_amount(text)
    assert amount is not None
    assert amount.value == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "in FY2019",
        "fiscal 2018 and fiscal year 2017",
        "the three months ended June 30, 2023",
        "on 1st July 2022",
        "Q2 2023, 3Q21 and H1",
        "see Note 7, Item 3 and page 59",
        "its 10-K, 10-Q and 8-K",
        "rounded to 2 decimal places",
        "the 3 year average",
        "COVID-19 and S&P 500",
        "1. First\n2) Second",
        "2022-12-31 and 12/31/2022",
    ],
)
def test_periods_and_references_are_no_amounts(text):
    assert [amount for amount in amounts_in(text) if not amount.year_like] == []


def test_a_year_is_marked_as_one_and_a_price_is_not():
    assert [amount.year_like for amount in amounts_in("2019 $2019 2,019 2019.5")] == [True, False, False, False]


def test_a_comma_or_a_fraction_needs_a_unit_behind_it_and_cents_no_currency_before_them():
    texts = ["12,5", "5,4 and 3%", "5 1/4", "$0.45 cents"]
    assert [[str(amount.value) for amount in amounts_in(text)] for text in texts] == [
        ["12"],
        ["5", "3/100"],
        ["5"],
        ["9/20"],
    ]


def test_a_name_of_the_question_is_no_amount():
    assert amounts_in("3M's net PPE", "What is the net PPE of 3M?") == []
    assert only_amount("3M").value == 3_000_000


def test_brackets_behind_an_amount_restate_it():
    values = [amount.value for amount in amounts_in("$8,738 million ($8.738 billion), 0.66 (66%)")]
    assert values == [8_738_000_000, 8_738_000_000, Fraction("0.66"), Fraction("0.66")]


def test_a_minus_between_two_amounts_is_no_sign():
    assert [amount.value for amount in amounts_in("$1,494 - $903 = $591")] == [1494, 903, 591]


def test_currency_codes():
    found = amounts_in("US$5, 5 EUR, £5, HK$5, 5 yen, 5")
    assert [amount.currency for amount in found] == ["USD", "EUR", "GBP", "HKD", "JPY", None]


def test_numbers_of_many_digits_are_no_amounts():
    assert amounts_in("9" * 1000) == []
    assert amounts_in("1e99") == []
