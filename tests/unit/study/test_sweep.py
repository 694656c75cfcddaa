"""A sweep's space, objective and best config, without Ray."""

from pathlib import Path
from typing import Any

import pytest

from rayrl.commands.sweep import run_sweep, write_best
from rayrl.config import GRPOConfig, TrainingConfig, load_config, validated
from rayrl.errors import ConfigError, DataError
from rayrl.study import sweep_trials
from rayrl.study.ledger import Ledger, Trial
from rayrl.study.objective import objective_of
from rayrl.study.optuna_search import search, values_of
from rayrl.study.settings import SweepConfig, SweepSettings
from rayrl.study.space import apply_choice, candidates
from rayrl.study.sweep_trials import SweepTrials
from rayrl.train.folder_kind import SWEEP
from rayrl.train.preflight import check_run
from rayrl.train.run_directory import open_run_directory

BASE: dict[str, Any] = {
    "model": {"path": "m"},
    "train_data": {"source": "t"},
    "eval_data": {"source": "e"},
    "rewards": [{"function": "maths"}],
    "freeze": {"rules": [{"match": "*.mlp.*", "layers": "0-3", "train": False}]},
    "steps": 4,
}


def sweep(**changes: Any) -> SweepSettings:
    space = {"freeze.preset": ["none", "qk_only"], "freeze.rules.0.layers": ["0-1", "2-3", "0.5-1.0"]}
    return validated(SweepSettings, "sweep", {"space": space, "objective": {"held_out": 1.0}} | changes)


def test_a_grid_is_every_combination_put_into_a_copy_of_the_config() -> None:
    found = candidates(sweep())
    assert len(found) == 6
    made = validated(GRPOConfig, "x", apply_choice(BASE, found[-1]))
    assert (made.freeze.preset, made.freeze.rules[0].layers) == ("qk_only", "0.5-1.0")
    assert BASE["freeze"]["rules"][0]["layers"] == "0-3"


def test_random_trials_differ_stay_within_their_range_and_follow_the_seed() -> None:
    space = {"learner.learning_rate": {"low": 1e-6, "high": 1e-4, "log": True}, "group_size": {"low": 2, "high": 8}}
    space["group_size"]["integer"] = True
    settings = sweep(search="random", trials=40, space=space)
    found = candidates(settings)
    assert len(found) == 40
    assert all(1e-6 <= one["learner.learning_rate"] <= 1e-4 for one in found)
    assert {one["group_size"] for one in found} == set(range(2, 9))
    assert sum(one["learner.learning_rate"] < 1e-5 for one in found) > 10, "evenly in the logarithm"
    assert candidates(settings) == found
    assert candidates(sweep(search="random", trials=40, space=space, seed=1)) != found


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"space": {"a": {"low": 1, "high": 2}}}, "grid needs lists of values; a"),
        ({"trials": 3}, "trials goes with search"),
        ({"search": "random"}, "trials goes with search"),
        ({"search": "optuna", "trials": 2, "resume": True}, "optuna's search cannot be resumed"),
        ({"space": {"a": []}}, "a has no values"),
        ({"search": "random", "trials": 1, "space": {"a": {"low": 0, "high": 1, "log": True}}}, "above 0 where log"),
    ],
)
def test_wrong_sweeps_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sweep(**changes)


def test_a_name_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"freeze\.rules\.1\.layers': there is no '1'"):
        apply_choice(BASE, {"freeze.rules.1.layers": "1"})
    with pytest.raises(ConfigError, match=r"'steps\.x' leads into 4"):
        apply_choice(BASE, {"steps.x": 1})


def test_optuna_chooses_listed_values_by_index() -> None:
    settings = sweep(
        search="optuna", trials=2, space={"freeze.rules": [[], [{"train": True}]], "a": {"low": 1, "high": 2}}
    )
    assert values_of(settings, {"freeze.rules": 1, "a": 1.5}) == {"freeze.rules": [{"train": True}], "a": 1.5}


def test_optuna_suggests_within_the_space_by_seed_and_hears_of_evaluations_alone() -> None:
    space = {"freeze.preset": ["none", "qk_only"], "rate": {"low": 1e-6, "high": 1e-4, "log": True}}
    settings = sweep(search="optuna", trials=8, space=space)

    def suggestions() -> list[dict[str, Any]]:
        searcher, asked = search(settings)
        searcher.set_search_properties("objective", "max", asked)
        chosen = []
        for trial in map(str, range(settings.trials)):
            chosen.append(searcher.suggest(trial))
            searcher.on_trial_result(trial, {"training_iteration": 1, "reward/mean": 0.5})
            searcher.on_trial_result(trial, {"training_iteration": 2, "objective": -abs(chosen[-1]["rate"] - 1e-5)})
            searcher.on_trial_complete(trial, {"training_iteration": 2, "objective": -abs(chosen[-1]["rate"] - 1e-5)})
        return chosen

    first = suggestions()
    assert all(one["freeze.preset"] in (0, 1) and 1e-6 <= one["rate"] <= 1e-4 for one in first)
    assert len({one["rate"] for one in first}) == len(first)
    assert suggestions() == first


def test_the_objective_is_the_weighted_change_from_the_base_in_points() -> None:
    weights = {"held_out": 1.0, "mmlu": 0.5}
    base = {"held_out": 0.25, "mmlu": 0.5}
    assert objective_of(weights, base, {"held_out": 0.5, "mmlu": 0.25}) == pytest.approx(25 - 12.5)
    assert objective_of(weights, base, {"held_out": 0.5}) is None


def test_best_yaml_is_a_run_of_its_own(tmp_path: Path) -> None:
    config = SweepConfig(sweep=sweep(dir=str(tmp_path)), method="grpo", base=BASE)
    own = candidates(config.sweep)[4]
    path = write_best(config, Ledger(tmp_path, [Trial("t005", "t005", 42, "trials/t005", own)]), "t005")
    best = load_config(path, {}, GRPOConfig)
    assert (best.freeze.preset, best.freeze.rules[0].layers) == ("qk_only", "2-3")
    assert (best.run.name, best.run.dir, best.steps, best.evaluation.at_start) == ("sweep-best", tmp_path, 4, True)


@pytest.mark.parametrize("searched", [{"search": "optuna", "trials": 2}, {}])
def test_no_trial_is_stopped_later_than_its_end(searched: dict[str, Any]) -> None:
    settings = sweep(asha={"grace_steps": 5}, **searched)
    config = SweepConfig(sweep=settings, method="grpo", base=BASE)
    with pytest.raises(ConfigError, match=r"sweep\.asha\.grace_steps: 5 is more than the 4 steps of a trial"):
        run_sweep(config, dry_run=True)


def on_tiny_model(tmp_path: Path, tiny: dict[str, Any], method: str, **settings: Any) -> SweepConfig:
    whole = {"name": "s", "dir": str(tmp_path / "sweeps"), "objective": {"held_out": 1.0}} | settings
    return validated(SweepConfig, "sweep", {"sweep": whole, "method": method, "base": tiny})


def test_a_sweep_by_epochs_knows_its_steps_and_can_be_resumed(tmp_path: Path, tiny_sft: dict[str, Any]) -> None:
    rates = {"space": {"learner.learning_rate": [1e-3, 1e-2], "epochs": [1.0, 2.0]}}
    config = on_tiny_model(tmp_path, tiny_sft | {"steps": 0}, "sft", **rates)
    trials = SweepTrials.of(config)
    trials.check()
    # 60 examples, 12 of them a step
    assert {name: one.steps for name, one in trials.configs.items()} == {
        "base": 0, "t001": 5, "t002": 10, "t003": 5, "t004": 10
    }  # fmt: skip
    for one in trials.configs.values():
        open_run_directory(one)  # as the run itself writes it, with its steps
    again = SweepTrials.of(config)
    again.check()
    Ledger(SWEEP.path(config.sweep), again.ledger_rows()).adopt(again.configs)


def test_the_largest_trial_counts_whatever_makes_it_large(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    def needed(**space: list[Any]) -> int:
        return SweepTrials.of(on_tiny_model(tmp_path, tiny_config, "grpo", space=space)).check()

    smallest = needed(group_size=[4])
    assert needed(group_size=[4, 8]) == needed(group_size=[8, 4]) > smallest
    assert needed(**{"learner.microbatch_tokens": [16384, 64]}) == smallest
    assert needed(**{"sampling.max_tokens": [8, 64]}) > smallest
    with pytest.raises(DataError, match="sweep trial t002"):
        needed(**{"train_data.source": [tiny_config["train_data"]["source"], "absent.jsonl"]})


def test_trials_that_differ_in_their_learning_rate_alone_are_checked_once(
    tmp_path: Path, tiny_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(config: TrainingConfig) -> Any:
        checked.append(repr(config.steps))
        return check_run(config)

    monkeypatch.setattr(sweep_trials, "check_run", check)
    rates = {"learner.learning_rate": [1e-4, 1e-3, 1e-2]}
    SweepTrials.of(on_tiny_model(tmp_path, tiny_config, "grpo", space=rates)).check()
    assert checked == ["0", "4"]
