"""A study's arms, budget, ledger and rules, without Ray."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig, load_config, validated
from rayrl.errors import ConfigError, ResourceError, StoppedError
from rayrl.metrics import MetricsLog
from rayrl.study.arm_estimate import ArmEstimate, estimate_arms, estimate_table
from rayrl.study.arms import expand, seeds_of, trial_config
from rayrl.study.budget import Cost, Lengths, step_cost, steps_for
from rayrl.study.ledger import Ledger, Trial, accuracies
from rayrl.study.results import means
from rayrl.study.runner import slots
from rayrl.study.settings import BudgetSettings, StopSettings, StudyConfig, StudySettings
from rayrl.study.trial import Watch
from rayrl.train.folder_kind import STUDY
from rayrl.train.run_directory import open_run_directory


def study(**changes: Any) -> StudyConfig:
    tree: dict[str, Any] = {
        "study": {"seeds": [1, 2], "budget": {"updates": 6}},
        "base": {
            "model": {"path": "m"},
            "train_data": {"source": "t"},
            "eval_data": {"source": "e"},
            "rewards": [{"function": "maths"}],
            "learner": {"learning_rate": 1e-5, "threads": 1},
        },
        "grpo": {"prompts_per_step": 4, "group_size": 8, "sampling": {"max_tokens": 50}},
        "sft": {"examples_per_step": 16, "learner": {"learning_rate": 1e-4}},
        "arms": {
            "base": {"method": "base"},
            "grpo": {"method": "grpo"},
            "sft": {"method": "sft"},
            "matched": {"method": "sft", "learner": {"learning_rate": 1e-6}, "freeze": {"preset": "qk_only"}},
        },
    }
    return validated(StudyConfig, "study", tree | changes)


@pytest.mark.parametrize(
    ("method", "own", "trains"),
    [
        ("grpo", {"steps": 0}, False),
        ("sft", {"steps": 0, "epochs": 0}, False),
        ("sft", {"epochs": 0}, False),
        ("sft", {"steps": 0}, True),  # as many as `epochs` makes
        ("sft", {"steps": 2, "epochs": 0}, True),
    ],
)
def test_an_arm_of_no_steps_is_a_model_trained_elsewhere_and_is_evaluated(
    method: str, own: dict[str, Any], trains: bool
) -> None:
    arms = {"base": {"method": "base"}, "theirs": {"method": method, "model": {"path": "elsewhere"}, **own}}
    found = expand(study(arms=arms, study={"name": "n", "seeds": [1], "budget": None}))[1]
    assert found.config.model.path == "elsewhere"
    assert found.config.evaluation.at_start is not trains


def test_an_arm_that_trains_nothing_has_neither_freeze_nor_rate() -> None:
    arms = expand(study())
    steps = {"base": 0, "grpo": 0, "sft": 6, "matched": 6}  # grpo: a model trained elsewhere
    table = estimate_table([ArmEstimate(arm, steps[arm.name], [1], Cost(0, 0, 0, 0), 0, 0) for arm in arms])
    shown = {column.header: list(column.cells) for column in table.columns}
    assert shown["freeze"] == ["-", "-", "none", "qk_only"]
    assert shown["rate"] == ["-", "-", "0.0001", "1e-06"]


def test_arms_are_whole_configs_with_their_own_over_their_methods_over_the_base() -> None:
    arms = {arm.name: arm for arm in expand(study())}
    assert isinstance(arms["grpo"].config, GRPOConfig)
    assert isinstance(arms["sft"].config, SFTConfig)
    rates = {name: arm.config.learner.learning_rate for name, arm in arms.items()}
    assert rates == {"base": 1e-5, "grpo": 1e-5, "sft": 1e-4, "matched": 1e-6}
    assert arms["matched"].config.learner.threads == 1
    assert arms["matched"].config.freeze.preset == "qk_only"
    assert arms["matched"].overrides == {"learner": {"learning_rate": 1e-6}, "freeze": {"preset": "qk_only"}}
    assert (arms["base"].config.steps, arms["base"].config.evaluation.at_start) == (0, True)
    assert not arms["grpo"].config.evaluation.at_start
    placed = trial_config(arms["sft"].config, Path("x"), "sft-seed2", 2, 7)
    assert (placed.run.name, placed.run.seed, placed.run.dir, placed.steps) == ("sft-seed2", 2, Path("x"), 7)


def test_a_wrong_arm_is_named() -> None:
    with pytest.raises(ConfigError, match=r"arms\.sft(.|\n)*group_size: unknown setting"):
        expand(study(arms={"sft": {"method": "sft", "group_size": 3}}))
    with pytest.raises(ConfigError, match="method 'ppo' is none of base, grpo, sft"):
        study(arms={"x": {"method": "ppo"}})
    with pytest.raises(ConfigError, match=r"'a/b' holds more than letters"):
        study(arms={"a/b": {"method": "sft"}})


def test_a_budget_and_shared_steps_contradict_each_other_and_an_arms_own_steps_stand() -> None:
    with pytest.raises(ConfigError, match=r"grpo\.steps: study\.budget sets the steps of every arm"):
        expand(study(grpo=study().grpo | {"steps": 9}))
    arms = expand(study(arms={"sft": {"method": "sft", "steps": 9}, "grpo": {"method": "grpo"}}))
    assert [arm.has_steps for arm in arms] == [True, False]


def test_an_in_domain_benchmark_that_is_not_evaluated_is_refused() -> None:
    config = study(study={"in_domain": ["held_out", "heldout"], "budget": {"updates": 6}})
    with pytest.raises(ConfigError, match=r"study\.in_domain: 'heldout' is none of what is evaluated: held_out"):
        estimate_arms(config)


def test_a_greedy_base_is_evaluated_once_and_a_sampled_one_with_every_seed() -> None:
    config = study()
    base, trained, *_ = expand(config)
    assert seeds_of(base, [1, 2]) == [1]
    assert seeds_of(trained, [1, 2]) == [1, 2]
    config.base["evaluation"] = {"temperature": 0.6}
    assert seeds_of(expand(config)[0], [1, 2]) == [1, 2]


def test_a_base_asked_by_lm_eval_is_evaluated_once_unless_its_completions_are_sampled() -> None:
    config = study()
    config.base["benchmarks"] = {"gsm8k": {"lm_eval": "gsm8k"}}
    base, trained, *_ = expand(config)
    assert seeds_of(base, [1, 2], tasks_sample=False) == [1]
    assert seeds_of(base, [1, 2], tasks_sample=True) == [1, 2]
    assert seeds_of(trained, [1, 2], tasks_sample=False) == [1, 2]


@pytest.mark.parametrize(
    ("budget", "grpo", "sft"),
    [
        ({"updates": 6}, 6, 6),
        ({"samples": 320}, 10, 20),
        # a GRPO step: 4 prompts of 10 and 32 completions of 50; an SFT step: 16 examples of 40
        ({"tokens": 16400}, 10, 26),
        ({"tokens": 16400, "completion_tokens": 5}, 82, 26),
        # GRPO: 5000 a token and 2000 a completion token; SFT: 5000 a token
        ({"flops": 114e6}, 10, 36),
    ],
)
def test_the_budget_sets_the_steps_of_each_arm(budget: dict[str, Any], grpo: int, sft: int) -> None:
    settings = BudgetSettings.model_validate(budget)
    lengths = Lengths(prompt=10.0, example=40.0, parameters=1000, trainable=500)
    found = {arm.name: arm for arm in expand(study())}
    steps = {
        name: steps_for(settings, step_cost(found[name].config, lengths, settings.completion_tokens))
        for name in ("grpo", "sft")
    }
    assert steps == {"grpo": grpo, "sft": sft}


def test_later_updates_of_a_step_cost_a_forward_more() -> None:
    """2 x parameters x tokens, for the share of the step's groups that is not the first update's."""
    root = Path(__file__).resolve().parents[3]
    demo = load_config(root / "configs/demo/grpo.yaml", {}, GRPOConfig)
    lengths = Lengths(prompt=20.0, example=0.0, parameters=1000, trainable=1000)
    one = step_cost(demo, lengths)
    four = step_cost(demo.model_copy(update={"updates_per_step": 4}), lengths)
    assert (one.updates, four.updates, one.tokens) == (1, 4, four.tokens)
    assert four.flops - one.flops == pytest.approx(2 * 1000 * one.tokens * 3 / 4)


def test_a_budget_is_one_amount() -> None:
    with pytest.raises(ConfigError, match="give one of updates, samples, tokens and flops; given: none"):
        validated(BudgetSettings, "b", {})
    with pytest.raises(ConfigError, match="given: updates, tokens"):
        validated(BudgetSettings, "b", {"updates": 1, "tokens": 5})


def test_no_more_trials_run_at_once_than_the_cluster_holds_whole() -> None:
    arms = [arm.config for arm in expand(study())]
    assert slots(arms, {"CPU": 2.0}) == 1
    assert slots(arms, {"CPU": 5.0}) == 2
    assert slots(arms, {"CPU": 8.0}, memory=2.5) == 2
    half = {"generator": {"cpus": 0.5}, "learner": {"cpus_per_worker": 0.5}}
    small = [arm.config for arm in expand(study(base=study().base | half))]
    assert slots(small, {"CPU": 2.0}) == 2
    with pytest.raises(ResourceError, match="asks for 2 CPUs, the Ray cluster has 1"):
        slots(arms, {"CPU": 1.0})


def test_trials_end_at_nan_and_at_rewards_that_stay_low() -> None:
    seen: list[dict[str, Any]] = []
    watch = Watch(StopSettings(reward_below=0.1, patience=2), seen.append)
    good = {"kind": "step", "step": 1, "train/loss": 1.0, "reward/mean": 0.2, "reward/none_frac": 0.0}
    watch(good)
    watch(good | {"reward/mean": 0.05})
    watch(good)
    watch(good | {"reward/mean": 0.05})
    with pytest.raises(StoppedError, match=r"below 0\.1 for 2 steps up to 9"):
        watch(good | {"reward/mean": 0.0, "step": 9})
    with pytest.raises(StoppedError, match="train/loss is nan at step 1"):
        watch(good | {"train/loss": math.nan})
    # no completion of the step got a reward: nothing diverged
    watch(good | {"reward/mean": None, "reward/none_frac": 1.0})
    assert len(seen) == 7
    Watch(StopSettings(not_finite=False), seen.append)(good | {"train/loss": math.nan})


def written_run(folder: Path, event: str, accuracy: float = 0.5) -> None:
    with MetricsLog(folder / "metrics.jsonl") as log:
        log.append("eval", 3, {"benchmark/gsm8k/accuracy": accuracy, "benchmark/gsm8k/total": 4, "elapsed_s": 12.5})
        log.append("event", 3, {"event": event, "elapsed_s": 13.0})


def test_a_resumed_study_runs_what_is_not_finished_and_nothing_else(tmp_path: Path) -> None:
    def trials() -> list[Trial]:
        return [Trial(name, name, 1, f"trials/{name}") for name in ("done", "unwritten", "cut", "failed", "never")]

    before = Ledger(tmp_path, trials())
    for name, event in (("done", "finished"), ("unwritten", "finished"), ("cut", "resumed"), ("failed", "failed")):
        written_run(tmp_path / "trials" / name, event)
    before.settle("done", "finished")
    before.settle("failed", "failed", "no room")
    again = Ledger(tmp_path, trials())
    again.adopt(dict.fromkeys(again.trials, expand(study())[1].config))
    assert [trial.trial for trial in again.open] == ["cut", "failed", "never"]
    assert again.trials["done"].seconds == 13.0
    again.save()
    rows = json.loads((tmp_path / "trials.json").read_text())
    assert [row["state"] for row in rows] == ["finished", "finished", "pending", "pending", "pending"]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_trial_that_ran_with_other_settings_is_not_taken_over(tmp_path: Path) -> None:
    def placed(**changes: Any) -> TrainingConfig:
        arm = expand(study(arms={"sft": {"method": "sft", **changes}}))[0]
        return trial_config(arm.config, tmp_path / "trials", "sft-seed1", 1, 6)

    folder = open_run_directory(placed())
    ledger = Ledger(tmp_path, [Trial("sft-seed1", "sft", 1, "trials/sft-seed1")])
    ledger.settle("sft-seed1", "finished")
    ledger.adopt({"sft-seed1": placed(learner={"threads": 2, "microbatch_tokens": 99}, generator={"cpus": 0.5})})
    assert not ledger.open
    with pytest.raises(ConfigError, match=r"sft-seed1 ran with learner\.learning_rate: 0\.0001, and now it is 0\.5"):
        ledger.adopt({"sft-seed1": placed(learner={"learning_rate": 0.5})})
    with pytest.raises(ConfigError, match=r"sft-seed1 ran with"):
        ledger.adopt({"sft-seed1": trial_config(expand(study())[1].config, tmp_path / "trials", "sft-seed1", 1, 6)})
    shutil.rmtree(folder)
    ledger = Ledger(tmp_path, [Trial("sft-seed1", "sft", 1, "trials/sft-seed1")])
    ledger.adopt({"sft-seed1": placed(learner={"learning_rate": 0.5})})
    assert [trial.trial for trial in ledger.open] == ["sft-seed1"]


def test_results_are_means_over_finished_trials(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [Trial(f"a{seed}", "a", seed, f"trials/a{seed}") for seed in (1, 2, 3)])
    for seed, accuracy in ((1, 0.25), (2, 0.75), (3, 0.0)):
        written_run(tmp_path / f"trials/a{seed}", "finished", accuracy)
        ledger.settle(f"a{seed}", "failed" if seed == 3 else "finished")
    assert accuracies(tmp_path / "trials/a2") == {"gsm8k": 0.75}
    assert means(ledger) == {"a": {"gsm8k": 0.5}}


def test_a_study_that_exists_is_neither_overwritten_nor_mixed_up(tmp_path: Path) -> None:
    settings = StudySettings(name="s", dir=tmp_path)
    with pytest.raises(ConfigError, match=r"study\.resume: there is none at"):
        STUDY.open(settings.model_copy(update={"resume": True}))
    folder = STUDY.open(settings)
    (folder / "trials.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"--study\.resume true"):
        STUDY.open(settings)
    STUDY.open(settings.model_copy(update={"overwrite": True}))
    assert not (folder / "trials.json").exists()


def test_dotted_overrides_reach_into_a_study(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(study().model_dump(mode="json")))
    config = load_config(path, {"base.benchmarks.gsm8k.data.source": "g.jsonl", "study.resume": True}, StudyConfig)
    assert config.study.resume
    assert expand(config)[1].config.benchmarks["gsm8k"].data.source == "g.jsonl"
