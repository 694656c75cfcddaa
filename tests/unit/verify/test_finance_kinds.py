"""Kinds of financial answers, ten and more sentences each; every right one also against golds that it does not state.

The kinds come from public reports about other tools. The words and numbers are our own.
"""

import json
from pathlib import Path

import pytest

from rayrl.verify.finance.reading.latex import unlatex
from rayrl.verify.finance.verifier import verify
from tests.clock import lowest_cpu_seconds

HERE = Path(__file__)
CASES = HERE.parents[4] / "shared/data/cases/finance.jsonl"
HELD_OUT = HERE.with_name("phrases") / "finance_kinds.jsonl"

TOTAL = "What was total inventory, in USD millions?"
COVERAGE = "What is the interest coverage ratio?"
MARGIN = "What was the net margin in 2021?"


def score(response: str, gold: str, question: str) -> float | None:
    return verify(response, gold, question=question).score


@pytest.mark.parametrize(
    "response",
    [
        "Raw materials of $90 million plus finished goods of $215 million gives $305 million.",
        "Raw materials of $90 million and finished goods of $215 million, which gives total inventory of $305 million.",
        "Adding raw materials of $90 million to finished goods of $215 million yields $305 million.",
        "Raw materials are $90 million and finished goods are $215 million, for a total of $305 million.",
        "Raw materials were $90 million and finished goods were $215 million, so total inventory was $305 million.",
        "Raw materials ($90 million) plus finished goods ($215 million) equals $305 million.",
        "We add $90 million of raw materials and $215 million of finished goods and get $305 million.",
        "Summing $90 million and $215 million, you arrive at $305 million.",
        "$90 million plus $215 million comes to $305 million.",
        "$90 million plus $215 million adds up to $305 million, or about $0.3 billion.",
        "$90 million + $215 million -> $305 million",
        r"$90 + 215 \rightarrow 305$",
        "Raw materials of $90 million and finished goods of $215 million together make $305 million.",
        "Raw materials of $90 million and finished goods of $215 million, or $305 million in total.",
        "Raw materials stood at $90 million, finished goods at $215 million; the sum is $305 million.",
        "Raw materials are $90 million, and finished goods of $215 million bring the total to $305 million.",
        "Raw materials are $90 million; finished goods are $215 million; in total $305 million.",
        "Total inventory was $305 million, obtained by adding $90 million and $215 million.",
        "Total inventory of $305 million is the result of adding $90 million to $215 million.",
    ],
)
def test_a_sum_is_its_result_and_no_addend(response):
    assert score(response, "305", TOTAL) == 1.0
    assert score(response, "90", TOTAL) == 0.0
    assert score(response, "215", TOTAL) == 0.0


@pytest.mark.parametrize(
    "response",
    [
        "Dividing EBIT of 540 by interest expense of 120 gives 4.5.",
        "EBIT of $540 million divided by interest of $120 million works out to 4.5.",
        "EBIT of $540 million over interest expense of $120 million results in a ratio of 4.5x.",
        "EBIT was 540 and interest expense was 120, resulting in interest coverage of 4.5.",
        "EBIT of 540 is divided by interest of 120, so coverage is 4.5.",
        "With EBIT at $540 million and interest at $120 million, coverage equals 4.5.",
        "If we divide $540 million by $120 million we obtain 4.5.",
        "540 / 120 => 4.5",
        "The interest coverage ratio is 4.5. This is computed by dividing EBIT ($540 million) by ($120 million).",
        "The interest coverage ratio is 4.5, calculated as EBIT of $540 million divided by interest of $120 million.",
        "4.5. EBIT of $540 million is divided by interest expense of $120 million.",
        "**4.5**\n\nWe take the EBIT ($540 million) and divide it by the interest expense ($120 million).",
        "Interest coverage is 4.5. It was derived by dividing 540 by 120.",
        "The ratio stands at 4.5 (EBIT of 540 divided by interest expense of 120).",
        "The ratio is about 4.5. To obtain it, divide EBIT of $540 million by interest expense of $120 million.",
    ],
)
def test_a_quotient_is_its_result_wherever_it_is_told(response):
    assert score(response, "4.5", COVERAGE) == 1.0
    assert score(response, "540", COVERAGE) == 0.0
    assert score(response, "120", COVERAGE) == 0.0


@pytest.mark.parametrize(
    ("response", "gold", "question"),
    [
        ("Net income was $14 million, which gives a margin of 7.", "14", "What was net income in USD millions?"),
        ("Net income of $14 million plus tax of $4 million gives pretax income of $18 million.", "14", "Net income?"),
        ("Revenue was $5 million and costs came to $3 million.", "5", "What was revenue in USD millions?"),
        ("Revenue of $70 million and costs of $50 million leave a profit of $20 million.", "70", "What was revenue?"),
        ("Revenue was $4,197 million, which means about $4.2 billion.", "4,197", "What was revenue in USD millions?"),
        ("Sales rose from $60 million to $66 million, an increase of $6 million.", "6", "By how much did sales rise?"),
        ("Sales rose by $6 million, a growth of 10.", "6", "By how much did sales rise, in USD millions?"),
        ("Sales rose from $60 million to $66 million, an increase of $6 million.", "66", "What were sales?"),
    ],
)
def test_what_comes_of_the_asked_thing_is_another_thing(response, gold, question):
    assert score(response, gold, question) == 1.0


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("$7,250 thousand", True),
        ("7,250", True),
        ("$7,250,000", True),
        ("$7.25 million", True),
        ("USD 7,250K", True),
        ("It came to $7,250 thousand in that year.", True),
        (r"\boxed{7{,}250}", True),
        (r"\boxed{7.25} million", True),
        ("$0.00725 billion", True),
        ("$7,250 (in thousands)", True),
        ("$7.25 thousand", False),
        ("$7,250 million", False),
        ("$72.5 million", False),
        ("$7,520 thousand", False),
        ("$7.25 billion", False),
        ("$725 thousand", False),
    ],
)
@pytest.mark.parametrize(
    "question",
    [
        "What was capex (in USD thousands)?",
        "What was capex in thousands of dollars?",
        "Capex? Answer in USD thousands.",
    ],
)
def test_a_gold_in_thousands_may_have_thousands_of_them(answer, correct, question):
    assert score(answer, "7,250", question) == float(correct)


@pytest.mark.parametrize(
    ("gold", "question", "answer", "correct"),
    [
        ("1577000000", "What was capex in USD millions?", "$1,577 million", True),
        ("1577000000", "What was capex in USD millions?", "$1,577,000,000", True),
        ("1577000000", "What was capex in USD millions?", "$1.577 million", False),
        ("2,400,000", "What was revenue in USD millions?", "$2.4 trillion", True),
        ("2,400,000", "What was revenue in USD millions?", "$2.4 million", False),
        ("2,400,500", "What was revenue in USD thousands?", "$2.4005 billion", True),
        ("4,200", "What was revenue?", "$4,200 thousand", True),
        ("4.2", "What was revenue?", "$4.2 thousand", False),
        ("4.2", "What was revenue?", "$4.2 million", True),
    ],
)
def test_a_gold_is_in_the_asked_unit_unless_no_company_is_that_large(gold, question, answer, correct):
    assert score(answer, gold, question) == float(correct)


@pytest.mark.parametrize(
    "text",
    [
        r"$2{,}860$ million",
        r"\$2{,}860 million",
        r"$\$2{,}860$ million",
        r"$\$2{,}860\text{ million}$",
        r"\(2\,860\) million",
        r"\[\text{EBITDA} = \$2{,}860\ \text{million}\]",
        "$$\n\\text{EBITDA} = 3{,}000 - 140 = 2{,}860 \\text{ million}\n$$",
        r"\textbf{\$2,860 million}",
        r"\$\,2{,}860\,\mathrm{million}",
        r"\begin{aligned} E &= 3{,}000 - 140 \\ &= 2{,}860 \text{ million} \end{aligned}",
        r"$\mathbf{2{,}860}$ million dollars",
        r"\boxed{2{,}860} million",
        r"$\boxed{2.86}$ billion",
        r"$\boxed{\$2.86\text{ billion}}$",
        r"\[\boxed{\$2{,}860}\] million",
        r"\boxed{2.86}\text{ billion dollars}",
        r"\boxed{2,860} (in millions)",
        "**$2.86** billion",
        "<answer>2.86</answer> billion",
        r"2\;860 million",
    ],
)
def test_money_in_latex(text):
    for response in (text, f"EBITDA was {text}."):
        assert score(response, "$2,860 million", "What was EBITDA?") == 1.0
        for gold in ("$2 million", "$2,806 million", "$860 million", "$2.86 million", "2"):
            assert score(response, gold, "What was EBITDA?") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        r"$-6.4\%$",
        r"\(-6.4\%\)",
        r"$-6.4\,\%$",
        r"-\boxed{6.4\%}",
        r"$-\boxed{6.4}\%$",
        r"\boxed{-6.4}\%",
        r"\boxed{-6.4} percent",
        r"$\boxed{-6.4}$%",
        r"$g = \frac{936 - 1000}{1000} = -0.064 = -6.4\%$",
        r"\boxed{\text{-6.4 percent}}",
        r"$-\mathbf{6.4}\%$",
        r"\boxed{-0.064}",
    ],
)
def test_shares_in_latex(text):
    for gold in ("-6.4%", "-0.064"):
        assert score(f"Growth was {text}.", gold, "What was growth?") == 1.0
    for gold in ("6.4%", "-4.6%", "-64%", "0.064"):
        assert score(f"Growth was {text}.", gold, "What was growth?") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "It cost $5 a day and then $6.",
        "Sales ($): 100, costs ($): 50",
        "$5 (or C$7) a share, $8 before",
        "from $1,940 million/$2,000 million to A$5",
        "$1,494 - $903 = $591",
        "US$45 and HK$51",
        "| $5 | $ | $6 |",
    ],
)
def test_the_sign_of_a_price_stays(text):
    assert unlatex(text) == text


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("C$62 million", "CAD 62 million", True),
        ("C$62 million", "62 million Canadian dollars", True),
        ("C$62 million", "CA$62 million", True),
        ("C$62 million", "$62 million CAD", True),
        ("C$62 million", "A$62 million", False),
        ("A$62 million", "AUD 62 million", True),
        ("A$62 million", "62 million Australian dollars", True),
        ("A$62 million", "62 million US dollars", False),
        ("HK$62 million", "HKD 62 million", True),
        ("HK$62 million", "62 million Hong Kong dollars", True),
        ("NZ$62 million", "NZD 62 million", True),
        ("S$62 million", "62 million Singapore dollars", True),
        ("S$62 million", "SGD 62 million", True),
        ("S$62 million", "SGD 26 million", False),
        ("R$62 million", "62 million Brazilian reais", True),
        ("CHF 62 million", "62 million Swiss francs", True),
        ("CHF 62 million", "62 million euros", False),
        ("£62 million", "62 million pounds sterling", True),
        ("₹62,000 crore", "Rs 62 thousand crore", True),
        ("₹4.5 lakh crore", "INR 4.5 trillion", True),
        ("₹4.5 lakh crore", "₹4,50,000 crore", True),
        ("₹4.5 lakh crore", "₹4.5 crore", False),
        ("€6.2 billion", "6,2 Milliarden Euro", True),
        ("€6.2 billion", "6,2 Mrd. €", True),
        ("€6.2 billion", "6,2 Millionen Euro", False),
        ("€6.2 billion", "6,2 milliards d'euros", True),
        ("€62 million", "62 Mio. Euro", True),
        ("€62 million", "62 millones de euros", True),
    ],
)
def test_currencies_and_scales_by_other_names(gold, answer, correct):
    assert score(answer, gold, "What was turnover?") == float(correct)


@pytest.mark.parametrize(
    ("gold", "question", "answer", "correct"),
    [
        ("$9.3 million", "How much cash was used in financing activities?", "It was $(9.3) million.", True),
        ("$9.3 million", "What was net cash used for acquisitions?", "$(9.3) million", True),
        ("$9.3 million", "What cash flow was used in operations?", "($9.3 million)", True),
        ("$(9.3) million", "What was net cash used in financing?", "$9.3 million was used.", True),
        ("-9.3", "What was the cash used in operations in USD millions?", "$9.3 million", True),
        ("$(9.3) million", "What were capital expenditures?", "$9.3 million", True),
        ("$(9.3) million", "What were dividends paid?", "Dividends paid were $9.3 million.", True),
        ("$9.3 million", "How much cash was used in investing?", "$(3.9) million", False),
        ("$9.3 million", "What was operating income?", "$(9.3) million", False),
        ("$(9.3) million", "What was operating income?", "$9.3 million", False),
        ("$(9.3) million", "What was net cash from operating activities?", "$9.3 million", False),
    ],
)
def test_the_sign_of_cash_that_is_used_is_a_matter_of_taste(gold, question, answer, correct):
    assert score(answer, gold, question) == float(correct)


@pytest.mark.parametrize(
    "response",
    [
        "About $6.4 billion (more precisely, $6,384 million).",
        "approximately $6.4 billion (specifically $6,384 million)",
        "$6.4 billion, or more precisely $6,384 million",
        "$6.4 billion (to be exact, $6,384 million)",
        "$6.4 billion, to be precise $6,384 million",
        "Around $6.4 billion (exactly $6,384 million)",
        "$6.4 billion (i.e., exactly $6,384 million)",
        "$6.4 billion (namely $6,384 million)",
        "$6.4 billion, that is, $6,384 million",
    ],
)
def test_an_amount_that_is_told_more_exactly(response):
    question = "What was revenue in USD millions?"
    assert score(response, "6,384", question) == 1.0
    assert score(response, "6,348", question) == 0.0
    assert score(response.replace("6,384", "6,364"), "6,384", question) == 0.0


IMPAIRED = "How much goodwill impairment was recorded in 2024 (in USD millions)?"


@pytest.mark.parametrize(
    ("response", "correct"),
    [
        ("No goodwill impairment was recorded in 2024.", True),
        ("There was no goodwill impairment in 2024.", True),
        ("There were no impairment charges.", True),
        ("The company did not record any goodwill impairment in 2024.", True),
        ("Goodwill was not impaired in 2024.", True),
        ("No impairment.", True),
        ("Nil", True),
        ("Nil.", True),
        ("None", True),
        ("Zero", True),
        ("Goodwill impairment was nil.", True),
        ("It recorded no impairment of goodwill.", True),
        ("No impairment was recorded in 2024, compared with $12 million in 2023.", True),
        ("In 2024 the company hasn't recorded an impairment.", True),
        (r"\boxed{0}", True),
        ("$-", True),
        ("Goodwill impairment is not disclosed.", False),
        ("The filing does not mention any goodwill impairment.", False),
        ("There is no information about goodwill impairment.", False),
        ("It cannot be said whether any impairment was recorded.", False),
        ("No impairment was recorded in 2023.", False),
        ("No impairment was recorded in 2023, but in 2024 it was $12 million.", False),
        ("No further impairment was recorded beyond $12 million.", False),
        ("No, an impairment of $12 million was recorded.", False),
        ("There were no acquisitions in 2024.", False),
        ("An impairment was recorded.", False),
        ("$12 million", False),
    ],
)
def test_nothing_in_words_is_zero(response, correct):
    assert score(response, "0", IMPAIRED) == float(correct)
    assert score(response, "$35 million", IMPAIRED) == 0.0


@pytest.mark.parametrize(
    ("response", "improved"),
    [
        ("It would be wrong to say that the margin did not improve.", True),
        ("It is incorrect to claim that the margin did not improve.", True),
        ("It would be inaccurate to state that the margin has not improved.", True),
        ("The margin did not fail to improve.", True),
        ("It is untrue that the margin did not improve.", True),
        ("It would be a stretch to doubt it: the margin improved.", True),
        ("It would be wrong to say that the margin improved.", False),
        ("It is false that the margin improved.", False),
        ("The margin failed to improve.", False),
        ("It is incorrect to suggest that the margin improved.", False),
    ],
)
def test_two_nots_are_a_yes(response, improved):
    for gold, yes in (("Yes", True), ("No", False)):
        assert score(response, gold, "Did the margin improve?") == float(improved == yes)


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("1.8:1", True),
        ("1.8 : 1", True),
        ("1.8 to 1", True),
        ("1.80 to 1.00", True),
        ("1.8-to-1", True),
        ("It was 1.8:1 at year end.", True),
        ("The ratio is 1.8 to 1, up from 1.6 to 1.", True),
        ("18:10", True),
        ("1.8x", True),
        ("1.8 times", True),
        (r"$1.8:1$", True),
        ("8.1:1", False),
        ("1:1.8", False),
        ("1.6 to 1", False),
        ("It fell from 1.8 to 1.", False),
    ],
)
def test_ratios_in_words(answer, correct):
    for gold in ("1.8", "1.8x", "1.8:1"):
        assert score(answer, gold, "What was the current ratio?") == float(correct)


def _share(path: Path) -> tuple[float, list[str]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    wrong = [row for row in rows if (score(row["response"], row["gold"], row["question"]) == 1.0) != row["right"]]
    return 1 - len(wrong) / len(rows), [row["id"] for row in wrong if not row["right"]]


@pytest.mark.parametrize(
    ("response", "gold", "question", "correct"),
    [
        ("Headcount rose by 150 to 1,650.", "150", "How much did headcount increase?", True),
        ("Headcount rose by 150 to 1,650.", "1,650", "What was headcount?", True),
        ("$6.4 billion ($6,384 million, to be precise)", "6,384", "What was revenue in USD millions?", True),
        ("$6.38 billion (exactly $6,376 million)", "6,384", "What was revenue in USD millions?", False),
        ("Operations used $75 million.", "$(75) million", "What was net cash from operations?", True),
        ("Operations used $75 million.", "$75 million", "What was net cash provided by operations?", False),
        ("A comprehensive loss of $19 million.", "$19 million", "What was comprehensive income?", False),
        (
            "Legal fees were $9 million. Together with $3 million of others they make $12 million.",
            "12",
            "Total fees?",
            True,
        ),
        ("Fees were $9 million and $3 million. Adding these gives $12 million.", "12", "What were total fees?", True),
        ("The total is $9 million plus $3 million, or $12 million.", "9", "What were total fees?", False),
        (r"$\boxed{4.615 \times 10^9}$", "$4,615 million", "What was net interest income?", True),
        ("9.5 days: 2 for checks and 7.5 for transport.", "9.5", "How long does delivery take?", True),
        ("Net debt is not zero.", "0", "What was net debt?", False),
    ],
)
def test_smaller_kinds(response, gold, question, correct):
    assert score(response, gold, question) == float(correct)


@pytest.mark.parametrize("piece", ["$a (b ", "5~a", "$5 so ", "\n\n", "increase by ", "\\boxed{", "1 = ", "\\text{"])
def test_no_piece_repeated_is_slow(piece):
    text = piece * (60_000 // len(piece)) + "5"
    question = "By how much did revenue increase?"
    seconds, _ = lowest_cpu_seconds(lambda: verify(text, "7", question=question), under=5)
    assert seconds < 5


def test_sentences_that_were_held_out():
    """Written before the verifier read their kinds: it judged 56 % of them rightly then, with 29 false positives."""
    share, false_positives = _share(HELD_OUT)
    assert share >= 0.99
    assert false_positives == []


def test_cases_after_public_reports():
    if not CASES.is_file():
        pytest.skip(f"the shared cases are not here ({CASES})")
    share, false_positives = _share(CASES)
    assert share >= 0.93
    assert false_positives == []
