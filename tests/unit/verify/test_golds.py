import math

from rayrl.config import RewardSettings, VerifierSettings
from rayrl.verify.golds import FEW, check_golds
from tests.clock import lowest_cpu_seconds

MATHS = [RewardSettings(function="maths")]
FINANCE = [RewardSettings(function="finance")]
SETTINGS = VerifierSettings(deadline_s=1.0, memory_limit_mb=1024)


def test_many_golds_go_through_the_pool_with_the_same_result():
    golds = [rf"\frac{{{n}}}{{7}}" for n in range(FEW + 50)]
    golds[3], golds[FEW] = r"\frac{1}{", ""
    rows = [{"answer": gold} for gold in golds]
    alone = [problem for at in (3, FEW) for problem in check_golds([rows[at]], MATHS, "answer", SETTINGS)]
    pooled = check_golds(rows, MATHS, "answer", SETTINGS)
    assert [index for index, _ in pooled] == [3, FEW]
    assert [reason for _, reason in pooled] == [reason for _, reason in alone]


def test_a_gold_is_asked_once_however_often_it_occurs():
    rows = [{"answer": "x^2+1"}, {"answer": ""}] * 20_000
    seconds, problems = lowest_cpu_seconds(lambda: check_golds(rows, MATHS, "answer", SETTINGS), under=5)
    assert len(problems) == 20_000
    assert seconds < 5


def test_one_gold_that_takes_long_ends_at_the_deadline():
    ((index, reason),) = check_golds([{"answer": "7"}, {"answer": r"\int " * 4 + "x" * 30}], MATHS, "answer", SETTINGS)
    assert (index, reason) == (1, "not done within 1 s")


def test_columns_of_untyped_tables():
    rows = [
        {"answer": "5", "tolerance": "0.01", "scale": math.nan, "question": math.nan},
        {"answer": "5", "tolerance": math.nan, "scale": "million", "question": 7},
        {"answer": "5", "tolerance": "1%"},
        {"answer": "5", "tolerance": True},
        {"answer": "5", "scale": 1000},
    ]
    problems = dict(check_golds(rows, FINANCE, "answer"))
    assert list(problems) == [2, 3, 4]
    assert "tolerance '1%' is not a number between 0 and 1" in problems[2]
    assert "scale 1000 is unknown" in problems[4]


def test_golds_of_the_finance_verifier():
    rows = [
        {"answer": "8.7%", "question": "?"},
        {"answer": ["35,121", "30,973"], "scale": "thousand"},
        {"answer": None},
        {"answer": "5", "scale": "dozen"},
        {"answer": "divide(1, 0)"},
        {},
    ]
    problems = check_golds(rows, FINANCE, "answer")
    assert [index for index, _ in problems] == [2, 3, 4, 5]
    assert "division by zero" in problems[2][1]
    assert "no column 'answer'" in problems[3][1]
