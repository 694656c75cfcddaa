"""Which problems are shown before and after, and in which order."""

import pytest
from fake_run import write_run

from rayrl.report.run_directory import Run, Samples, read_run
from rayrl.report.samples import QUOTAS, groups, outcomes, pairs
from rayrl.rollout_row import identity


@pytest.fixture
def run(tmp_path) -> Run:
    return read_run(write_run(tmp_path / "demo"))


def test_changed_ones_come_first(run) -> None:
    shown, counts = pairs(run)
    order = [list(QUOTAS).index(pair.kind) for pair in shown]
    assert order == sorted(order)
    assert len(shown) == 12
    assert (counts["gained"][0], counts["lost"][0]) == (5, 4)
    assert sum(total for _, total in counts.values()) == 200
    assert counts["not scored"] == (0, 1)


def test_room_goes_to_other_kinds(run) -> None:
    run.first_eval.rows[:] = [row | {"score": 0.0} for row in run.last_eval.rows]
    run.last_eval.rows[:] = [row | {"score": 0.0} for row in run.last_eval.rows]
    shown, counts = pairs(run)
    assert counts == {"still wrong": (12, 200)}
    assert {pair.kind for pair in shown} == {"still wrong"}


def test_unscored_is_not_wrong(run) -> None:
    assert outcomes(run.first_eval)[identity(run.first_eval.rows[3])] is None
    assert outcomes(None) == {}


def test_training_groups(run) -> None:
    rows = run.last_step.rows
    assert [len(group.samples) for group in groups(run.last_step)] == [8, 8, 8, 8]
    (group,) = groups(Samples(1, [rows[0] | {"reward": None, "finish_reason": "length"}] * 10))
    assert (len(group.samples), group.left_out) == (8, 2)
    assert group.samples[0].score == "no reward"
    assert "length limit" in group.samples[0].note


def test_rows_with_nothing_in_them() -> None:
    (group,) = groups(Samples(1, [{}]))
    assert (group.samples[0].status, group.samples[0].css, group.samples[0].text) == ("no verdict", "none", "")
