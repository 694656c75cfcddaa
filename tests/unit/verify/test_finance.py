import pytest

from rayrl.verify.finance.verdict import MAX_CHARACTERS, verify

USD_MILLIONS = "What is the FY2018 capital expenditure (in USD millions) for 3M?"
USD_BILLIONS = "What is the year end FY2018 net PPNE for 3M? Answer in USD billions."
PERCENT = "What was the revenue growth from FY2019 to FY2020? Answer in units of percents."
RATIO = "What is the FY2018 fixed asset turnover ratio?"
PLAIN = "What was the total?"


@pytest.mark.parametrize(
    ("response", "gold", "question"),
    [
        ("3M's capital expenditure in FY2018 was $1,577 million.", "$1577.00", USD_MILLIONS),
        ("It was $1.577 billion.", "1577", USD_MILLIONS),
        ("It was 1577.", "1577", USD_MILLIONS),
        ("Purchases of PP&E: $(1,577) million", "1577", USD_MILLIONS),
        ("It was $1,577,000,000.", "1577", USD_MILLIONS),
        ("Net PP&E was $8,738 million, or $8.738 billion.", "8.7", USD_BILLIONS),
        ("Growth = (9,497.6 - 4,713.5) / 4,713.5 = 101.5%", "1.015", PERCENT),
        ("The growth rate is 101.5.", "101.5", PERCENT),
        ("The growth was 1.015.", "101.5%", PERCENT),
        ("Margins rose by 50 basis points.", "0.5%", PERCENT),
        ("Revenue declined by 5.3% in FY2020.", "-5.3%", PERCENT),
        ("Total PP&E is $10,820.5 million.\nTherefore, the ratio is 194,579 / 10,820.5 = 17.98.", "17.98", RATIO),
        ("The ratio is 17.98x.", "17.98", RATIO),
        (r"So \boxed{17.98}", "17.98", RATIO),
        ("<think>it may be 5</think>\n<answer>17.98</answer>", "17.98", RATIO),
        ("#### 17.98", "17.98", RATIO),
        ("It is approximately 18.0.", "17.98", RATIO),
        ("There are three of them.", "3", "How many segments are there?"),
        ("€5.2 million", "€5,200,000", PLAIN),
        ("Die Marge betrug 12,5 %.", "12.5%", PLAIN),
        ("The rate is 5¼%.", "5.25%", PLAIN),
        ("The rate is 5 1/4%.", "5.25%", PLAIN),
        ("It paid 45 cents per share.", "$0.45", PLAIN),
        ("Between 10% and 12%", "10-12%", "What margin is expected?"),
        ("The range is 10% to 12%.", "10% to 12%", "What margin is expected?"),
        ("$35,121 in 2019 and $30,973 in 2018", "35,121; 30,973", PLAIN),
        ("subtract(120, 100), divide(#0, 100)", "0.2", PLAIN),
        ("Margins rose from 10.5% to 12%.", "12%", "What margin is expected?"),
        ("(120 - 100) / 100", "20%", PLAIN),
        ("0.0164", "subtract(5829, 5735), divide(#0, 5735)", PLAIN),
        ("Yes", "greater(5, 3)", "Is it greater?"),
        ("It was 47.", "47 stores", "How many stores were opened?"),
        ("In 2019.", "2019", "In which year was it founded?"),
    ],
)
def test_correct(response, gold, question):
    verdict = verify(response, gold, question=question)
    assert (verdict.status, verdict.score) == ("correct", 1.0), verdict


@pytest.mark.parametrize(
    ("response", "gold", "question"),
    [
        ("It was $1,577 billion.", "1577", USD_MILLIONS),
        ("Die Marge betrug 12,5 %.", "12.0%", PLAIN),
        ("The rate is 5¼%.", "5.0%", PLAIN),
        ("The rate is 5 1/4%.", "5.0%", PLAIN),
        ("It paid 50 cents per share.", "$0.45", PLAIN),
        ("It was $1.577 million.", "1577", USD_MILLIONS),
        ("It was $1,677 million.", "1577", USD_MILLIONS),
        ("It was €1,577 million.", "$1577.00", USD_MILLIONS),
        ("Net PP&E was $23.014 billion.", "8.7", USD_BILLIONS),
        ("Margins rose from 12% to 14%.", "12%", "What margin is expected?"),
        ("The growth was 15%.", "101.5%", PERCENT),
        ("Revenue grew by 5.3%.", "-5.3%", PERCENT),
        ("Margins rose by 50 basis points.", "50%", PERCENT),
        ("The ratio is 17.98 or 18.35.", "17.98", RATIO),
        ("The ratio is 5 or 17.98.", "17.98", RATIO),
        ("The turnover of 17.98 is a rumour. Therefore, the ratio is 12.3.", "17.98", RATIO),
        ("It is 18.", "17.98", RATIO),
        ("It is 10-12%.", "11%", "What margin is expected?"),
        ("It is 11%.", "10-12%", "What margin is expected?"),
        ("$35,121 in 2019 and $30,000 in 2018", "35,121; 30,973", PLAIN),
        (" ".join(f"{n}.5" for n in range(1000)), "17.5; 18.5", PLAIN),
        ("divide(1, 3)", "0.2", PLAIN),
    ],
)
def test_incorrect(response, gold, question):
    verdict = verify(response, gold, question=question)
    assert (verdict.status, verdict.score) == ("incorrect", 0.0), verdict


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [
        ("8.738", "8.7", True),
        ("8.76", "8.7", False),
        ("65.3%", "65.4%", True),
        ("65.2%", "65.4%", False),
        ("93.89", "93.86", True),
        ("93.95", "93.86", False),
        ("1.43%", "0.01", True),
        ("1.6%", "0.01", False),
        ("1,577.4", "1577", True),
        ("1,580", "1577", False),
        ("42.9%", "~42%", True),
        ("43.5%", "~42%", False),
    ],
)
def test_the_golds_precision_is_the_tolerance(answer, gold, correct):
    assert verify(f"It is {answer}.", gold).score == float(correct)


def test_a_year_is_that_year_and_no_other():
    question = "In which year was revenue highest?"
    assert verify("Revenue was highest in 2022.", "2022", question=question).score == 1.0
    assert verify("Revenue was highest in 2023.", "2022", question=question).score == 0.0
    assert verify("It was $2,013.4 million.", "2013", question=USD_MILLIONS).score == 1.0


def test_a_tolerance_of_ones_own():
    assert verify("It is 103.", "100", tolerance=0.05).score == 1.0
    assert verify("It is 100.04.", "100", tolerance=0.0).score == 0.0
    verdict = verify("It is 103.", "100", tolerance=3.0)
    assert verdict.score is None
    assert "tolerance 3.0" in verdict.reason
    assert verify("about 100.5", "100", tolerance="0.01").status == "correct"


@pytest.mark.parametrize(
    ("response", "scale", "correct"),
    [
        ("35,121", "thousand", True),
        ("$35.121 million", "thousand", True),
        ("$35,121,000", "thousand", True),
        ("$35.121 million", "million", False),
        ("35,121", "percent", True),
        ("35121%", "percent", True),
    ],
)
def test_the_scale_column_is_the_golds_unit(response, scale, correct):
    assert verify(response, "35,121", scale=scale).score == float(correct)


def test_an_unknown_scale_is_an_error_not_a_zero():
    verdict = verify("5", "5", scale="dozen")
    assert (verdict.score, verdict.status) == (None, "error")
    assert "'dozen'" in verdict.reason


@pytest.mark.parametrize(
    "response",
    [
        "I'm sorry, but the information provided does not include the total revenue.",
        "The document does not provide the FY2018 net PP&E.",
        "I don't have enough information to give a helpful answer.",
        "Based on the provided context, it is not possible to calculate the ratio.",
        "To calculate the ratio, we need the revenue.\nRatio = revenue / PP&E.\nPlease provide the actual figures.",
        "As an AI, I do not have access to financial filings.",
        "The question cannot be answered from the context.",
    ],
)
def test_refusals(response):
    assert verify(response, "17.98", question=RATIO).status == "refusal"
    assert verify(response, "Yes, it does.", question="Does it?").score == 0.0
    assert verify(response, "Cannot be answered from the context.", question=RATIO).status == "correct"


def test_an_answer_where_the_gold_says_there_is_none():
    verdict = verify("The ratio is 5.", "not answerable", question=RATIO)
    assert (verdict.status, verdict.score) == ("incorrect", 0.0)


def test_a_box_is_an_answer_whatever_stands_around_it():
    response = r"The filing does not provide the ratio directly. Still, \boxed{17.98}"
    assert verify(response, "17.98", question=RATIO).status == "correct"


MARGIN = "Does Boeing have an improving gross margin profile as of FY2022?"
QUICK = "Does AMD have a healthy liquidity profile based on its quick ratio for FY22?"


@pytest.mark.parametrize(
    ("response", "gold", "question", "correct"),
    [
        ("Yes, it has improved.", "Yes. It improved.", MARGIN, True),
        ("No, it has declined.", "Yes. It improved.", MARGIN, False),
        ("Boeing's gross margin profile has been declining.", "No.", MARGIN, True),
        ("Boeing does not have an improving gross margin profile.", "No.", MARGIN, True),
        ("Boeing has an improving gross margin profile.", "No.", MARGIN, False),
        ("In summary, the gross margin profile of Boeing did not decline.", "Yes.", MARGIN, True),
        ("Yes. The quick ratio is 1.57.", "Yes. The quick ratio is 1.57", QUICK, True),
        ("Yes. The quick ratio is 2.35.", "Yes. The quick ratio is 1.57", QUICK, False),
        ("No. The quick ratio is 1.57.", "Yes. The quick ratio is 1.57", QUICK, False),
    ],
)
def test_yes_and_no_with_the_figure_that_supports_it(response, gold, question, correct):
    assert verify(response, gold, question=question).score == float(correct)


GREW = "Did revenue increase in 2022?"
PROFIT = "Is the company profitable in 2022?"
STEPS = "Step 1. Revenue 2022: 3.\nStep 2. 2021: 5.\nStep 3. 3 is no more than 5.\n\n"
LOSS = "First, I look at the income statement.\nNet loss was $5 million.\nIt is no gain.\n\n"


@pytest.mark.parametrize(
    ("response", "question", "yes"),
    [
        (f"{STEPS}No, revenue did not increase.", GREW, False),
        ("Revenue 2022: 3; 2021: 5.\n\nNo, revenue did not increase.", GREW, False),
        (f"{STEPS}No", GREW, False),
        (f"{STEPS}No it did not increase.", GREW, False),
        (f"{STEPS}Yes, it did not fall.", GREW, True),
        (f"{STEPS}Thus, yes, revenue never declined.", GREW, True),
        (f"{STEPS}The final answer is: **no**\nSource: page 3 of the filing.", GREW, False),
        (f"{STEPS}**Final answer**: Yes", GREW, True),
        ("Let me compute. Revenue 2022: $3m, 2021: $5m. So no.", GREW, False),
        (f"{LOSS}Conclusion: No, it is not profitable in 2022.", PROFIT, False),
        (f"{LOSS}**No**", PROFIT, False),
        (f"{LOSS}**Yes**", PROFIT, True),
        (f"Overall, no, it is not profitable in 2022.\n{STEPS}", PROFIT, False),
        (f"{LOSS}Any debt? No.\nSo the company is profitable in 2022.", PROFIT, True),
        (f"{LOSS}No IT system failed.\nThe company is profitable in 2022.", PROFIT, True),
        ("Yes or no? Revenue fell from 5 to 3 in 2022.", GREW, False),
        ("Revenue was unchanged in 2022.", GREW, False),
        ("Revenue was flat.", GREW, False),
        ("Revenue remained the same in 2022.", "Did revenue fall in 2022?", False),
        ("Revenue was flat-rolled steel's.", GREW, True),
    ],
)
def test_yes_or_no_is_read_at_the_end_of_reasoning_too(response, question, yes):
    assert verify(response, "Yes", question=question).score == float(yes)
    assert verify(response, "No", question=question).score == float(not yes)


@pytest.mark.parametrize(
    ("response", "gold", "question", "correct"),
    [
        ("It was the Data Center segment.", "Data Center", "Which segment grew most?", True),
        ("It was the Gaming segment.", "Data Center", "Which segment grew most?", False),
        ("JnJ got $13.2 billion.", "JnJ realised $13.2 billion in cash", "How much cash did JnJ get?", True),
        ("JnJ got $12.2 billion.", "JnJ realised $13.2 billion in cash", "How much cash did JnJ get?", False),
        ("Wages decreased.", "Wages increased.", "Did wages increase or decrease?", False),
        ("Wages increased in that year.", "Wages increased.", "Did wages increase or decrease?", True),
    ],
)
def test_free_text_is_judged_by_overlap_with_low_confidence(response, gold, question, correct):
    verdict = verify(response, gold, question=question)
    assert verdict.score == float(correct)
    assert verdict.decided_by == "overlap"


BEST = "Which segment had the highest revenue?"


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("Cloud Services", "Cloud Services, at $1,210 million", True),
        ("It was Cloud Services, with $1.21 billion.", "Cloud Services, at $1,210 million", True),
        ("It was Cloud Services ($1,210 million).", "Cloud Services ($1,210 million) ", True),
        ("Devices, at $1,210 million", "Cloud Services, at $1,210 million", False),
        ("Cloud Devices", "Cloud Services, at $1,210 million", False),
        ("$1,210 million", "Cloud Services, at $1,210 million", False),
        ("Cloud Services, at $1,310 million", "Cloud Services, at $1,210 million", False),
        ("Devices ($1,210 million)", "Cloud Services ($1,210 million)", False),
    ],
)
def test_where_a_name_is_asked_for_its_figure_only_supports_it(response, gold, correct):
    assert verify(response, gold, question=BEST).score == float(correct)


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("No [2]", "No.", True),
        ("Yes [1, 3].", "Yes.", True),
        ("Yes. [1][3]", "No.", False),
        ("The total was $5 million [2].", "$5 million", True),
        ("The total was $5 million [2].", "2", False),
        ("The answer is [2]", "2", True),
    ],
)
def test_the_numbers_of_sources_are_no_answers(response, gold, correct):
    assert verify(response, gold, question="Was the total approved by the board?").score == float(correct)


@pytest.mark.parametrize(
    "gold", ["", "  ", "nan", "None", "?", "***", "x" * 6000, "divide(1, 0)", "table_sum(x, none)"]
)
def test_a_gold_that_cannot_be_read_is_never_scored(gold):
    verdict = verify("5", gold)
    assert (verdict.score, verdict.status) == (None, "error")
    assert "gold answer" in verdict.reason


@pytest.mark.parametrize("response", ["", "   ", "\x00", "I like it.", "<answer></answer>"])
def test_no_answer(response):
    assert (verify(response, "5").score, verify(response, "5").status) == (0.0, "unparseable")


def test_a_response_that_is_too_long_is_not_read():
    verdict = verify("5" + " " * MAX_CHARACTERS, "5")
    assert (verdict.score, verdict.status) == (0.0, "unparseable")
    assert "100001 characters" in verdict.reason


IN_2021 = "What was revenue in 2021?"
IN_2022 = "What was revenue in FY2022?"


@pytest.mark.parametrize(
    "response",
    [
        "Revenue grew from $40 million in 2021 to $43 million in 2022.",
        "Revenue was $40 million in 2021 and $43 million in 2022.",
        "Revenue was $40 million (FY2021) and $43 million (FY2022).",
        "In 2021, revenue was $40 million, and in 2022 it was $43 million.",
        "In 2022, revenue was $43 million; in 2021 it was $40 million.",
        "Revenue rose 7.5% from $40 million in FY21 to $43 million in FY22.",
        "Revenue in 2022 was $43 million, compared with $40 million in 2021.",
        "Revenue was $43 million in the year ended June 30, 2022 and $40 million in the year ended June 30, 2021.",
        "2022: $43 million, 2021: $40 million",
        "Revenue was $43 million and $40 million in 2022 and 2021, respectively.",
        "Revenue for 2021 and 2022 was $40 million and $43 million, respectively.",
    ],
)
def test_of_two_years_the_asked_one_counts(response):
    assert verify(response, "$40 million", question=IN_2021).status == "correct"
    assert verify(response, "$43 million", question=IN_2021).status == "incorrect"
    assert verify(response, "$43 million", question=IN_2022).status == "correct"
    assert verify(response, "$40 million", question=IN_2022).status == "incorrect"


@pytest.mark.parametrize(
    ("response", "gold", "question"),
    [
        ("Revenue rose by $3 million from $40 million in 2021 to $43 million.", "$3 million", IN_2022),
        ("The ratio is 5.2%, from $5 million in 2021 and $9 million in 2022.", "0.052", IN_2022),
        ("Sales = $90 million (2021) + $110 million (2022) = $200 million", "$200 million", IN_2022),
        ("Revenue in 2022 went from $40 million to $43 million.", "$43 million", IN_2022),
        ("Revenue was $40 million in 2021 and $43 million in 2022.", "$40 million", "What was it before 2022?"),
        ("The margin rose from 40% in 2021 to 43% in 2022.", "43%", "What is the margin?"),
    ],
)
def test_an_amount_that_is_no_other_years_stays_the_answer(response, gold, question):
    assert verify(response, gold, question=question).status == "correct"


def test_percentage_points_are_asked_for_and_not_the_shares_between_which_they_lie():
    response = "The margin rose from 40% in 2021 to 43% in 2022, an increase of 3 percentage points."
    question = "By how many percentage points did the margin rise?"
    assert verify(response, "3 percentage points", question=question).status == "correct"
    assert verify(response, "43 percentage points", question=question).status == "incorrect"


INCOME = "What was net income in 2022?"
GROWTH = "What was the revenue growth rate?"
CHANGE = "What was the change in revenue?"


@pytest.mark.parametrize(
    ("response", "gold", "question", "correct"),
    [
        ("The company reported a net loss of $120 million.", "$120 million", INCOME, False),
        ("The company reported a net loss of $120 million.", "-$120 million", INCOME, True),
        ("Income after provisions for credit losses was $120 million.", "$120 million", INCOME, True),
        ("Net income was $120 million, up from a loss of $30 million.", "-$120 million", INCOME, False),
        ("Net income was $120 million, up from a loss of $30 million.", "$120 million", INCOME, True),
        ("Net income was $120 million, more than in 2021 due to lower costs.", "-$120 million", INCOME, False),
        ("The margin was 3.2%, with lower costs.", "-3.2%", "What was the margin?", False),
        ("The margin was negative 3.2%, with lower costs.", "-3.2%", "What was the margin?", True),
        ("Revenue declined by 5%.", "5%", GROWTH, False),
        ("Revenue declined by 5%.", "-5%", GROWTH, True),
        ("Revenue decreased 5%.", "5%", CHANGE, False),
        ("Revenue decreased by $5 million.", "$5 million", "By how much did revenue change?", True),
        ("Revenue decreased by 5%.", "5%", "By how much did revenue decrease?", True),
        ("Revenue fell from $10 million to $9 million, a change of 10%.", "-10%", CHANGE, True),
        ("The change was 10%, indicating a decline.", "-10%", CHANGE, True),
        ("There was a 10% year-over-year decrease.", "-10%", CHANGE, True),
        ("Net loss: ($31 million)", "$31 million", "What was the net loss?", True),
        ("Net income: ($31 million)", "$31 million", INCOME, False),
    ],
)
def test_words_beside_an_amount_give_its_sign(response, gold, question, correct):
    assert verify(response, gold, question=question).score == float(correct)


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("12% and 15%", "12% and 15%", True),
        ("12% and 16%", "12% and 15%", False),
        ("$7 million and $50 million", "$7 million and $50 million", True),
        ("between 12% and 15%", "between 12% and 15%", True),
        ("12%", "between 12% and 15%", False),
    ],
)
def test_and_makes_a_range_only_after_between(response, gold, correct):
    assert verify(response, gold, question="What are the margins?").score == float(correct)


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("SOFR plus 1.25%", "SOFR + 1.25%", True),
        ("SOFR plus 1.50%", "SOFR + 1.25%", False),
        ("It must be at least 3.0x.", "at least 3.0x", True),
        ("It must be at least 3.5x.", "at least 3.0x", False),
    ],
)
def test_a_short_gold_turns_on_its_rate(response, gold, correct):
    assert verify(response, gold, question="What are the terms?").score == float(correct)


MATURE = "When do the notes mature?"
BEST_YEAR = "In which year was revenue highest?"


@pytest.mark.parametrize(
    ("response", "gold", "question", "correct"),
    [
        ("The notes mature on March 15, 2027.", "March 15, 2027", MATURE, True),
        ("The notes mature on March 15, 2028.", "March 15, 2027", MATURE, False),
        ("They mature on 15 March 2027.", "March 15, 2027", MATURE, True),
        ("3/15/2027", "2027-03-15", MATURE, True),
        ("2028-03-15", "2027-03-15", MATURE, False),
        ("They mature in 2027.", "March 15, 2027", MATURE, False),
        ("They mature on March 15, 2027.", "March 2027", MATURE, True),
        ("March 2028", "March 2027", MATURE, False),
        ("They mature on March 15, 2027 or March 15, 2028.", "March 15, 2027", MATURE, False),
        ("Issued on March 15, 2017, the notes mature on March 15, 2027.", "March 15, 2027", MATURE, True),
        ("As of December 31, 2018, the notes mature on March 15, 2027.", "March 15, 2027", MATURE, True),
        ("The notes were issued on May 1, 2020 and mature on May 1, 2025.", "May 1, 2025", MATURE, True),
        ("The notes were issued on May 1, 2020 and mature on May 1, 2025.", "May 1, 2020", MATURE, False),
        ("Q3 2022", "Q3 2022", "Which quarter was best?", True),
        ("Q1 2022", "Q3 2022", "Which quarter was best?", False),
        ("The third quarter of fiscal 2022 was best.", "Q3 2022", "Which quarter was best?", True),
        ("3Q", "Q3 2022", "Which quarter of 2022 was best?", True),
        ("December 31, 2021", "December 31, 2022", "When did the year end?", False),
        ("FY2019", "2019", "", True),
        ("FY2018", "2019", "", False),
        ("The year ended December 31, 2019.", "2019", "", True),
        ("Revenue was highest in fiscal year 2019, at $5 million.", "2019", BEST_YEAR, True),
        ("Revenue was highest in fiscal year 2019, at $5 million.", "2018", BEST_YEAR, False),
        ("In 2019 revenue was highest, up from 2018.", "FY2019", BEST_YEAR, True),
        ("fiscal 2018", "FY2019", BEST_YEAR, False),
        ("Revenue was higher in 2019 than in 2018.", "2019", "When was it higher, in 2018 or 2019?", True),
        ("It had 2,013 employees in fiscal 2019.", "2013", "How many employees did it have?", True),
    ],
)
def test_dates_and_periods_agree_in_all_that_the_gold_names(response, gold, question, correct):
    assert verify(response, gold, question=question).score == float(correct)
