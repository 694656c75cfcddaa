"""GPUs that settings leave open: those of the machine, where there are enough."""

from pathlib import Path
from typing import Any

import pytest

from rayrl.config import EvalConfig, GRPOConfig, SFTConfig, on_gpus
from rayrl.errors import ConfigError
from rayrl.gpus import gpus_here
from rayrl.study.arms import run_config
from rayrl.synth.settings import SynthConfig

SHARED = {"model": {"path": "m"}, "train_data": {"source": "t"}, "rewards": [{"function": "maths"}], "steps": 1}


def grpo(**changes: Any) -> GRPOConfig:
    return GRPOConfig.model_validate(SHARED | {"eval_data": {"source": "e"}, "prompts_per_step": 1} | changes)


@pytest.mark.parametrize(
    ("count", "changes", "found"),
    [
        (0, {}, (0, 0, False)),
        (1, {}, (1, 1, True)),
        (2, {}, (1, 1, False)),
        (8, {"learner": {"workers": 4}, "generator": {"replicas": 4}}, (1, 1, False)),
        (4, {"learner": {"workers": 4}, "generator": {"replicas": 4}}, (1, 1, True)),
        (2, {"max_staleness": 1}, (1, 1, False)),
        (8, {"generator": {"gpus": 0}}, (0, 0, False)),
        (8, {"learner": {"gpus_per_worker": 0}}, (0, 0, False)),
        (8, {"learner": {"gpus_per_worker": 1}}, (0, 1, False)),
        (8, {"colocate": False}, (0, 0, False)),
        (8, {"generator": {"engine": "tests.fakes.engine:TransformersEngine"}}, (0, 0, False)),
    ],
)
def test_what_is_left_open_is_this_machines(count: int, changes: dict[str, Any], found: tuple[int, int, bool]) -> None:
    config = on_gpus(grpo(**changes), count)
    assert (config.generator.gpus, config.learner.gpus_per_worker, config.colocate) == found
    assert config.steps == 1


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        (1, {"max_staleness": 1}),
        (1, {"learner": {"workers": 2}, "generator": {"replicas": 2}}),
        (2, {"generator": {"replicas": 2}}),
    ],
)
def test_too_few_are_an_error_that_says_what_to_set(count: int, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"this machine has {count} GPUs for \d generators .* generator\.gpus"):
        on_gpus(grpo(**changes), count)


def test_other_commands_take_one_for_each_generator() -> None:
    sft = SFTConfig.model_validate(SHARED | {"examples_per_step": 1})
    assert not sft.samples
    assert (on_gpus(sft, 1).learner.gpus_per_worker, on_gpus(sft, 1).colocate) == (1, False)
    evaluated = EvalConfig.model_validate(
        {"model": {"path": "m"}, "eval_data": {"source": "e"}, "rewards": [{"function": "maths"}]}
    )
    assert on_gpus(evaluated, 1).generator.gpus == 1
    written = SynthConfig.model_validate(
        {"documents": {"paths": ["x"]}, "questions": {"writer": "generators"}, "model": {"path": "m"}}
    )
    assert on_gpus(written, 1).generator.gpus == 1


def test_on_gpus_the_learner_computes_in_bfloat16_whatever_the_processor() -> None:
    assert on_gpus(grpo(), 1).model.compute_dtype == "bfloat16"
    assert on_gpus(grpo(model={"path": "m", "compute_dtype": "float32"}), 1).model.compute_dtype == "float32"


def test_the_arms_of_a_study_take_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayrl.study.arms.gpus_here", lambda: 1)
    settings = SHARED | {"eval_data": {"source": "e"}, "prompts_per_step": 1}
    for method in ("base", "grpo"):
        assert run_config(method, settings, "arms.x").colocate


def test_a_cluster_has_gpus_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayrl.gpus.DRIVERS", (Path("/dev/null"),))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert gpus_here() == 3
    monkeypatch.setenv("RAY_ADDRESS", "ray://elsewhere")
    assert gpus_here() == 0
