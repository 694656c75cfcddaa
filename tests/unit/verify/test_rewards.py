import pytest

from rayrl import cli
from rayrl.config import BUILT_IN_REWARDS, RewardSettings
from rayrl.errors import ConfigError, DataError, RewardError
from rayrl.types import Verdict
from rayrl.verify.golds import check_golds
from rayrl.verify.registry import VERIFIERS
from rayrl.verify.rewards import FUNCTIONS, combine, function_paths, list_jobs, reward_names
from rayrl.verify.workers.jobs import Call, Check, Outcome

MATHS = RewardSettings(function="maths")
FORMAT = RewardSettings(function="format", weight=0.2)
LENGTHS = RewardSettings(function="reward_functions:lengths", weight=2.0)


def done(value):
    return Outcome("done", value)


def test_jobs():
    listed = list_jobs([MATHS, FORMAT], "answer", {"question": "?", "answer": 7.0}, ["a", "b"])
    assert listed[0] == [Check("maths", "a", "7"), Check("maths", "b", "7")]
    columns = {"question": ["?", "?"], "answer": [7.0, 7.0]}
    assert listed[1] == [Call("rayrl.verify.formats:think_answer", ["a", "b"], columns)]


def test_a_finance_check_gets_question_scale_and_tolerance_of_the_row():
    reward = RewardSettings(function="finance", options={"tolerance": 0.01})
    row = {"question": "?", "answer": ["3", "5"], "scale": "million", "other": 1}
    assert list_jobs([reward], "answer", row, ["a"]) == [
        [Check("finance", "a", "3; 5", {"tolerance": 0.01, "question": "?", "scale": "million"})]
    ]
    row = {"answer": "3", "scale": "", "tolerance": 0.2}
    assert list_jobs([reward], "answer", row, ["a"]) == [[Check("finance", "a", "3", {"tolerance": 0.2})]]


def test_a_row_without_the_answer_column():
    with pytest.raises(DataError, match="no column 'answer', only 'question'"):
        list_jobs([MATHS], "answer", {"question": "?"}, ["a"])


def test_none_is_left_out_of_the_sum_and_never_counts_as_zero():
    masked, good = Verdict(None, "error", "gold"), Verdict(1.0, "correct")
    outcomes = [[done(masked), done(masked), done(good), done(good)], [done([None, 3.0, None, 3.0])]]
    group = combine([MATHS, LENGTHS], outcomes, 4)
    assert group.rewards == [None, 6.0, 1.0, 7.0]
    assert group.parts == {"maths": [None, None, 1.0, 1.0], "reward_functions:lengths": [None, 3.0, None, 3.0]}
    assert group.verdicts == [masked, masked, good, good]


def test_verifier_faults_are_verdicts_without_a_score():
    outcomes = [[Outcome("timeout", reason="late"), Outcome("crashed", reason="dead"), Outcome("raised", reason="bug")]]
    group = combine([MATHS], outcomes, 3)
    assert group.rewards == [None, None, None]
    assert [verdict.status for verdict in group.verdicts] == ["timeout", "error", "error"]


def test_a_function_that_raised_is_an_error_and_one_that_hung_is_a_problem():
    with pytest.raises(RewardError, match=r"'reward_functions:lengths': ValueError: boom"):
        combine([LENGTHS], [[Outcome("raised", reason="ValueError: boom")]], 2)
    group = combine([LENGTHS], [[Outcome("timeout", reason="not done within 10 s")]], 2)
    assert group.rewards == [None, None]
    assert group.problems == ["reward_functions:lengths: timeout: not done within 10 s"]


def test_names_and_options():
    assert reward_names([MATHS, LENGTHS, MATHS]) == ["maths", "reward_functions:lengths", "maths#2"]
    rules = RewardSettings(function="finance")
    judged = RewardSettings(function="finance", options={"judge": {"generators": True}})
    assert reward_names([rules, judged, judged]) == ["finance", "finance_judge", "finance_judge#2"]
    assert function_paths([MATHS, FORMAT]) == ["rayrl.verify.formats:think_answer"]
    assert function_paths([RewardSettings(function="maths", options={"strict": True})]) == []
    with pytest.raises(ConfigError, match="strikt"):
        function_paths([RewardSettings(function="maths", options={"strikt": True})])
    good = {"max_tokens": 100, "cache_tokens": 20}
    assert function_paths([RewardSettings(function="length", options=good)]) == ["rayrl.verify.formats:soft_overlong"]
    with pytest.raises(ConfigError, match="cache_tokens"):
        function_paths([RewardSettings(function="length", options={"max_tokens": 100})])


def test_what_is_built_in_has_the_same_names_everywhere():
    assert sorted(cli.VERIFIERS) == sorted(VERIFIERS)
    assert sorted(BUILT_IN_REWARDS) == sorted([*VERIFIERS, *FUNCTIONS])


def test_the_rubric_of_a_judge_is_read_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge = {"url": "http://localhost:1", "model": "m", "rubric": "rubric.md", "cache": "kept"}
    reward = RewardSettings(function="finance", options={"judge": judge})
    with pytest.raises(DataError, match=r"judge.rubric: cannot read '.*/rubric.md'"):
        function_paths([reward])
    (tmp_path / "rubric.md").write_text("Judge.")
    monkeypatch.chdir("/")  # as an actor may
    assert function_paths([reward]) == []
    assert reward.options["judge"] == judge | {name: str(tmp_path / judge[name]) for name in ("rubric", "cache")}
    own = RewardSettings(function="rubrics:score", options={"judge": judge})
    assert own.options["judge"] == judge


def test_functions_see_the_lengths_of_completions():
    (call,) = list_jobs([LENGTHS], "answer", {"question": "?"}, ["a", "b"], [5, 7])[0]
    assert call.columns == {"question": ["?", "?"], "completion_tokens": [5, 7]}


def test_golds_are_checked_before_training():
    rows = [
        {"answer": "7"},
        {"answer": ""},
        {"answer": None},
        {"question": "?"},
        {"answer": r"\frac{1}{"},
        {"answer": 3},
    ]
    problems = check_golds(rows, [LENGTHS, MATHS], "answer")
    assert [index for index, _ in problems] == [1, 2, 3, 4]
    assert "no column 'answer'" in problems[2][1]
    assert check_golds(rows, [LENGTHS], "answer") == []
