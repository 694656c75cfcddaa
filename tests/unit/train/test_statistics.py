"""What is not known of a step or an evaluation is None in its record, and a dash in its line."""

from rayrl.actors.admission import StepBatch
from rayrl.config import HELD_OUT, ObjectiveSettings
from rayrl.train.statistics import evaluation_statistics, rollout_statistics
from rayrl.train.view import step_line
from rayrl.types import Prompt, Rollout, RolloutGroup


def test_a_step_without_any_reward_has_no_mean_and_no_interval() -> None:
    rollouts = [Rollout("a", [1, 2], [0.0, 0.0], [0, 0], "stop")] * 2
    group = RolloutGroup(Prompt("p", "", [1], {}), rollouts, [None, None], {"maths": [None, None]})
    record = rollout_statistics(StepBatch([group], 1.0, 1.0), 0, ObjectiveSettings().resolved())
    unknown = {name for name, value in record.items() if value is None}
    assert unknown == {"reward/mean", "reward/std", "reward/ci_low", "reward/ci_high", "reward/maths"}
    assert record["reward/none_frac"] == 1
    times = {f"time/{phase}_s": 1.0 for phase in ("train", "sync")}
    assert step_line(record | times | {"step": 1}, 3).startswith("step   1/3  reward -  ")


def test_an_evaluation_without_any_score_has_no_accuracy() -> None:
    rows = [{"score": None, "tokens": 3}]
    record = evaluation_statistics({HELD_OUT: rows})
    assert record["eval/accuracy"] is None
    assert (record["eval/total"], record["eval/unscored"]) == (0, 1)
