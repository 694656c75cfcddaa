"""configs/study: every arm validates, and the large study has the paper's figures."""

from pathlib import Path

import pytest

from rayrl.config import EvalConfig, TrainingConfig, load_config
from rayrl.study.arms import Arm, expand
from rayrl.study.settings import StudyConfig, SweepConfig
from rayrl.study.space import apply_choice, candidates

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "study"


def arms_of(name: str) -> dict[str, Arm]:
    return {arm.name: arm for arm in expand(load_config(CONFIGS / f"{name}.yaml", {}, StudyConfig))}


def test_the_large_study_has_the_papers_arms_and_those_that_it_leaves_out() -> None:
    arms = arms_of("olmo2")
    figures = {
        "grpo": (571, 1e-6, "none", 29),
        "sft_1_epoch": (154, 5e-5, "none", 8),
        "sft_3_epochs": (462, 5e-5, "none", 24),
        "sft_matched_rate": (571, 1e-6, "none", 29),
        "sft_frozen_mlps": (462, 5e-5, "none", 24),
        "sft_qk": (462, 5e-5, "qk_and_head", 24),
        "grpo_frozen_mlps": (571, 1e-6, "none", 29),
        "grpo_qk": (571, 1e-6, "qk_and_head", 29),
        "grpo_qk_alone": (571, 1e-6, "qk_only", 29),
        "sft_matched_rate_frozen_mlps": (571, 1e-6, "none", 29),
    }

    def figure(config: TrainingConfig) -> tuple[int, float, str, int]:
        return config.steps, config.learner.learning_rate, config.freeze.preset, config.checkpoint.every_steps

    assert {name: figure(arms[name].config) for name in figures} == figures
    for name in ("sft_frozen_mlps", "grpo_frozen_mlps", "sft_matched_rate_frozen_mlps"):
        assert [(r.match, r.layers, r.train) for r in arms[name].config.freeze.rules] == [("*.mlp.*", "19-25", False)]
    assert all(arm.config.longest_sample <= 4096 for arm in arms.values())
    evaluated = load_config(CONFIGS.parent / "eval/scalpel.yaml", {}, EvalConfig).benchmarks
    assert all(arm.config.benchmarks == evaluated for arm in arms.values())
    needs = arms["grpo"].config
    assert needs.learner.workers * needs.learner.gpus_per_worker + needs.generator.gpus == 8


def test_the_miniature_compares_the_same_freezes_under_both_methods_by_updates() -> None:
    arms = arms_of("miniature")
    assert len(arms) == 7
    assert [name for name, arm in arms.items() if arm.has_steps] == ["base"]
    assert arms["sft_matched"].config.learner.learning_rate == arms["grpo"].config.learner.learning_rate
    assert arms["grpo_frozen_mlps"].config.freeze == arms["sft_frozen_mlps"].config.freeze
    assert [one.name for one in arms["base"].config.evaluation_sets] == [
        "held_out",
        "gsm8k",
        "gsm_symbolic",
        "mmlu_stem",
        "mmlu_stem_letters",
    ]


@pytest.mark.parametrize("name", ["miniature", "miniature_gsm"])
def test_the_miniatures_tell_the_letter_that_is_known_from_the_one_that_is_written(name: str) -> None:
    """The same items, the same prompts: only how they are answered differs."""
    sets = {one.name: one for one in arms_of(name)["base"].config.evaluation_sets}
    read, letters = sets["mmlu_stem"], sets["mmlu_stem_letters"]
    assert (read.data, read.prompt) == (letters.data, letters.prompt)
    assert (read.method, letters.method) == ("generate", "likelihood_letter")


def test_the_sweep_has_six_freezes() -> None:
    config = load_config(CONFIGS / "sweep.yaml", {}, SweepConfig)
    presets = [apply_choice(config.base, chosen)["freeze"]["preset"] for chosen in candidates(config.sweep)]
    assert len(set(presets)) == 6
