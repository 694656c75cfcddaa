"""The benchmarks' logic, and the agreement with people that the finance verifier must keep."""

import json

import pytest

from rayrl.types import Verdict
from tests.benchmarks import verifier_agreement as agreement
from tests.benchmarks import verifier_throughput as throughput
from tests.conftest import ROOT

LABELLED = ROOT.parent / "shared/data/labelled"


@pytest.fixture(scope="module")
def judged():
    if not LABELLED.is_dir():
        pytest.skip(f"the labelled answers are not here ({LABELLED})")
    path = LABELLED / "financebench_answers.jsonl"
    return {half: agreement.judge_financebench(path, half, None) for half in ("development", "held-out")}


@pytest.mark.parametrize("half", ["development", "held-out"])
def test_agreement_on_financebench(judged, half):
    rows = judged[half]
    numeric = [row for row in rows if row.kind in ("amounts", "range")]
    assert len(numeric) > 200
    assert sum(row.agrees for row in numeric) / len(numeric) >= 0.96
    assert sum(not row.agrees and row.verdict.score == 1.0 for row in numeric) / len(numeric) <= 0.02
    assert sum(row.agrees for row in rows) / len(rows) >= 0.85
    assert all(row.verdict.score is not None for row in rows)


def test_refusals_on_financebench(judged):
    rows = [*judged["development"], *judged["held-out"]]
    said = {row.key for row in rows if row.verdict.status == "refusal"}
    meant = {row.key for row in rows if row.label == "Refusal"}
    assert len(said & meant) / len(said) >= 0.95
    assert len(said & meant) / len(meant) >= 0.95


def test_the_report_counts_and_sorts():
    rows = [
        agreement.Judged("2 a b", "Correct Answer", "text", Verdict(0.0, "incorrect", "why")),
        agreement.Judged("1 a b", "Incorrect Answer", "amounts", Verdict(1.0, "correct", "stated", "5")),
        agreement.Judged("3 a b", "Refusal", "text", Verdict(0.0, "refusal")),
    ]
    values = dict(agreement.figures(rows))
    assert values["numeric golds, false positives"] == "1/1 = 100.0%"
    assert values["refusals, recall"] == "1/1 = 100.0%"
    assert values["all rows"] == "1/3 = 33.3%"
    lines = agreement.disagreements(rows, {"1": "label wrong"})[2:]
    assert [line[:7] for line in lines] == ["| 1 a b", "| 2 a b"]
    assert "| correct '5' | stated | label wrong |" in lines[0]
    assert "| Refusal | 0 | 0 | 1 |" in agreement.confusion(rows)


def test_every_view_is_of_a_disagreement(judged):
    keys = {row.key for row in judged["development"] if not row.agrees}
    views = json.loads(agreement.VIEWS.read_text())
    assert all(any(key == view or key.split()[0] == view for key in keys) for view in views)
    assert all(key in views or key.split()[0] in views for key in keys)


def test_plain_math_verify():
    rows = [{"gold": "7", "response": "#### 7"}, {"gold": "7", "response": "8"}]
    assert throughput.plain(rows) == [True, False]
