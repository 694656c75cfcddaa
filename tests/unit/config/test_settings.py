"""Settings: what is read, and what is refused with which words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.config import (
    EvalConfig,
    GRPOConfig,
    RunSettings,
    Settings,
    SFTConfig,
    dump_config,
    load_config,
    parse_overrides,
    validated,
)
from rayrl.data.rag import RagOptions
from rayrl.errors import ConfigError
from rayrl.study.settings import StudyConfig, StudySettings, SweepConfig
from rayrl.synth.settings import EndpointSettings, SynthConfig, SynthRun

ROOT = Path(__file__).resolve().parents[3]
SETTINGS: dict[str, Any] = {
    "sft": SFTConfig,
    "synth": SynthConfig,
    "llama8b": SFTConfig,
    "llama70b": SFTConfig,
    "study": StudyConfig,
    "sweep": SweepConfig,
    "eval": EvalConfig,
}
"""By the first word of a file's name, or by its folder; all others are GRPO."""
SHIPPED = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_config_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    settings = SETTINGS.get(path.stem.partition("_")[0]) or SETTINGS.get(path.parent.name, GRPOConfig)
    config = load_config(path, {}, settings)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again, {}, settings) == config


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../runs"])
@pytest.mark.parametrize("settings", [RunSettings, SynthRun, StudySettings])
def test_a_name_is_one_of_a_folder_within_another(settings: type[Settings], name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{name!r} holds more than letters")):
        validated(settings, "run", {"name": name})


def test_overrides_are_read_as_yaml_and_beat_the_file() -> None:
    overrides = parse_overrides(
        ["--learner.learning_rate", "1e-5", "--run.name=x", "--steps", "3", "--run.resume", "true"]
    )
    assert overrides == {"learner.learning_rate": 1e-5, "run.name": "x", "steps": 3, "run.resume": True}
    config = load_config(ROOT / "configs/demo/grpo.yaml", overrides, GRPOConfig)
    assert (config.learner.learning_rate, config.run.name, config.steps) == (1e-5, "x", 3)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"learner.learning_rat": 1e-5}, ["learner.learning_rat", "unknown setting", "'learning_rate'"]),
        ({"batch_size": 8}, ["batch_size", "unknown setting"]),
        ({"steps": -1}, ["steps", "greater than or equal to 0", "value -1"]),
        ({"steps": "many"}, ["steps", "valid integer", "'many'"]),
        ({"updates_per_step": 5}, ["prompts_per_step (16)", "multiple of updates_per_step (5)"]),
        ({"stale_groups": "drop"}, ["stale_groups: drop", "max_staleness above 0"]),
        ({"dynamic_sampling": 1.01}, ["dynamic_sampling (1.01)", "16 groups", "at least 1.0625"]),
        ({"evaluation": {"beside_training": True}}, ["evaluation.beside_training is for SFT", "leave it out"]),
        ({"rewards": [{"function": "math"}]}, ["rewards", "'math'", "neither built in", "maths"]),
        ({"rewards": []}, ["rewards", "at least 1"]),
        ({"adapter.dropout": 0.1}, ["adapter.dropout (0.1) must be 0"]),
        (
            {"sampling.top_p": 0.8},
            ["sampling.top_p (0.8) must be 1", "sampling.temperature", "evaluation.top_p is free"],
        ),
        ({"sampling.temperature": 0}, ["sampling.temperature (0) must be above 0", "evaluation.temperature is free"]),
        (
            {"generator.options": {"logprobs_mode": "raw_logprobs"}},
            ["generator.options.logprobs_mode ('raw_logprobs')", "'processed_logprobs'", "leave it out"],
        ),
        (
            {"objective.importance_mask": [1.5, 5.0]},
            ["objective.importance_mask", "low < 1 < high", "[1.5, 5.0]"],
        ),
        ({"objective.geometric_mask": [0.99]}, ["objective.geometric_mask"]),
        (
            {"objective.importance_mask": [0.5, 5.0], "objective.importance_cap": 2.0},
            ["objective", "importance_cap (2) cannot act beside importance_mask ([0.5, 5.0])", "leave one"],
        ),
        ({"learner.workers": 6, "learner.replicate": 4}, ["learner", "replicate is 4 and workers 6", "as many ranks"]),
        ({"learner.workers": 2, "learner.replicate": 2}, ["learner", "replicate is 2 and workers 2", "at least two"]),
        ({"generator.tensor_parallel_size": 4}, ["generator", "gpus (0) must be 4", "tensor_parallel_size (4)"]),
        ({"generator.tensor_parallel_size": 2, "generator.gpus": 0.5}, ["generator", "gpus (0.5) must be 2"]),
        ({"generator.gpus": 2}, ["generator", "gpus (2) must be 1", "tensor_parallel_size (1)"]),
        (
            {"generator.options": {"pipeline_parallel_size": 2}, "generator.gpus": 1},
            ["generator", "gpus (1) must be 2", "pipeline_parallel_size (2)"],
        ),
        ({"generator.options": {"tensor_parallel_size": "x"}}, ["generator", "'x'"]),
        (
            {"learner.workers": 2, "learner.gpus_per_worker": 0.5},
            ["learner", "gpus_per_worker (0.5) must be 0 or 1 with workers 2", "workers: 1"],
        ),
        ({"learner.gpus_per_worker": 2}, ["learner", "gpus_per_worker (2) must be 0 or 1"]),
        ({"adapter.rnk": 8}, ["adapter.rnk", "unknown setting", "did you mean 'rank'"]),
        ({"steps.more": 1}, ["--steps.more", "no settings below it"]),
        ({"rewards": [{"function": "maths", "wight": 2}]}, ["rewards.0.wight", "unknown setting", "'weight'"]),
    ],
)
def test_wrong_settings_are_named_with_value_and_fix(overrides: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(ROOT / "configs/demo/grpo.yaml", overrides, GRPOConfig)
    assert all(part in str(raised.value) for part in says), raised.value


def test_a_gpu_may_be_shared_by_a_generator_and_a_lone_rank_and_a_copy_split_over_several() -> None:
    shared = {"generator.gpus": 0.5, "learner.gpus_per_worker": 0.5}
    split = {"generator.gpus": 4, "generator.options": {"tensor_parallel_size": 4}, "learner.workers": 4}
    for overrides in (shared, split | {"learner.gpus_per_worker": 1}, {"learner.workers": 4}):
        load_config(ROOT / "configs/demo/grpo.yaml", overrides, GRPOConfig)


TURNS = {"colocate": True, "learner.workers": 2, "generator.replicas": 2}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"generator.replicas": 1}, ["generator.replicas (1) must be learner.workers (2)"]),
        ({"generator.gpus": 1}, ["learner.gpus_per_worker (0) and generator.gpus (1) must both be 1"]),
        (
            {"learner.workers": 1, "generator.replicas": 1, "generator.gpus": 0.5, "learner.gpus_per_worker": 0.5},
            ["learner.gpus_per_worker (0.5) and generator.gpus (0.5) must both be 1"],
        ),
        ({"max_staleness": 1}, ["max_staleness (1) must be 0"]),
        (
            {"generator.weight_transfer": "nccl", "generator.gpus": 1, "learner.gpus_per_worker": 1},
            ["weight_transfer ('nccl') cannot be: colocate is set"],
        ),
    ],
)
def test_those_that_take_turns_are_one_beside_each_rank(overrides: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(ROOT / "configs/demo/grpo.yaml", TURNS | overrides, GRPOConfig)
    assert all(part in str(raised.value) for part in says), raised.value


def test_weights_of_those_that_take_turns_go_by_ipc_within_one_gpu_and_as_packets_within_several() -> None:
    on_gpus = TURNS | {"generator.gpus": 1, "learner.gpus_per_worker": 1}
    several = load_config(ROOT / "configs/demo/grpo.yaml", on_gpus, GRPOConfig)
    one = load_config(
        ROOT / "configs/demo/grpo.yaml", on_gpus | {"learner.workers": 1, "generator.replicas": 1}, GRPOConfig
    )
    assert (several.weight_transfer, one.weight_transfer) == ("packets", "ipc")


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "no.yaml", {}, GRPOConfig)
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(broken, {}, GRPOConfig)
    broken.write_text("- 1")
    with pytest.raises(ConfigError, match="must hold settings"):
        load_config(broken, {}, GRPOConfig)


def test_an_override_without_value_or_dashes_is_refused() -> None:
    with pytest.raises(ConfigError, match="a value must follow"):
        parse_overrides(["--steps"])
    with pytest.raises(ConfigError, match=r"--section\.field value"):
        parse_overrides(["steps=3"])


def test_every_setting_is_documented() -> None:
    def undocumented(model: Any, path: str) -> list[str]:
        found = []
        for name, info in model.model_fields.items():
            inner = getattr(info.annotation, "model_fields", None)
            if inner:
                found += undocumented(info.annotation, f"{path}{name}.")
            elif not info.description:
                found.append(path + name)
        return found

    sections = {"train_data", "eval_data", "rewards", "documents"}
    found = {name for settings in (GRPOConfig, SFTConfig, SynthConfig) for name in undocumented(settings, "")}
    assert found <= sections
    assert not undocumented(EndpointSettings, "")
    assert not undocumented(RagOptions, "")


def test_objective_presets_fill_only_what_is_not_set() -> None:
    data = yaml.safe_load((ROOT / "configs/demo/grpo.yaml").read_text())
    data["objective"] = {"name": "dapo", "clip_high": 0.4}
    objective = GRPOConfig.model_validate(data).objective.resolved()
    assert (objective.clip_high, objective.normalizer, objective.mask_truncated) == (0.4, "token", True)


def test_evaluation_may_sample_from_a_nucleus() -> None:
    overrides = {"evaluation.top_p": 0.8, "evaluation.temperature": 0}
    config = load_config(ROOT / "configs/demo/grpo.yaml", overrides, GRPOConfig)
    assert (config.evaluation_sets[0].top_p, config.sampling.top_p) == (0.8, 1.0)


def test_a_mask_takes_the_place_of_the_default_cap_and_survives_a_round_trip(tmp_path: Path) -> None:
    config = load_config(ROOT / "configs/demo/grpo.yaml", {"objective.importance_mask": [0.5, 5.0]}, GRPOConfig)
    assert config.objective.importance_cap is None
    for again in (config, config.resolved(1)):
        (tmp_path / "config.yaml").write_text(dump_config(again))
        found = load_config(tmp_path / "config.yaml", {}, GRPOConfig).objective
        assert (found.importance_mask, found.importance_cap) == ((0.5, 5.0), None)


def test_a_clip_that_is_set_and_cannot_act_is_named() -> None:
    def notices(**overrides: Any) -> list[str]:
        return load_config(ROOT / "configs/demo/grpo.yaml", overrides, GRPOConfig).notices

    clip = {"objective.clip_high": 0.28, "objective.clip_low": 0.1}
    assert notices() == notices(updates_per_step=4, **clip) == []
    [notice] = notices(max_staleness=1, **clip)
    assert notice.startswith("objective.clip_low (0.1), objective.clip_high (0.28): without effect")
    assert "updates_per_step 1" in notice


WHOLE = {"learner": {"gpus_per_worker": 1}, "generator": {"gpus": 1}}
SHARED = {"learner": {"gpus_per_worker": 0.5}, "generator": {"gpus": 0.5}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "packets"),
        (WHOLE, "nccl"),
        (SHARED, "ipc"),
        (WHOLE | {"adapter": {"rank": 8}}, "packets"),
        (WHOLE | {"generator": {"gpus": 1, "engine": "mine:Engine"}}, "packets"),
        (WHOLE | {"generator": {"gpus": 1, "weight_transfer": "packets"}}, "packets"),
        ({"generator": {"gpus": 1}}, "packets"),
    ],
)
def test_weights_go_from_gpu_to_gpu_where_they_can(
    tiny_config: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert GRPOConfig.model_validate(tiny_config | changes).weight_transfer == expected


QLORA = {"adapter": {"quantize": "nf4"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (WHOLE | QLORA, "recipe"),
        (SHARED | QLORA, "recipe"),
        (QLORA | {"generator": {"gpus": 1}}, "packets"),
        (QLORA | {"generator": {}}, "packets"),
        (WHOLE | QLORA | {"generator": {"gpus": 1, "engine": "mine:Engine"}}, "packets"),
        (WHOLE | {"adapter": {"quantize": "nf4", "base_transfer": "packets"}}, "packets"),
        ({"generator": {}, "adapter": {"quantize": "nf4", "base_transfer": "recipe"}}, "recipe"),
        (WHOLE, "packets"),
    ],
)
def test_generators_round_the_base_themselves_where_both_sides_have_gpus(
    tiny_config: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert GRPOConfig.model_validate(tiny_config | changes).base_transfer == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"generator": {"weight_transfer": "nccl"}}, "gpus_per_worker is 0 and generator.gpus 0: both need whole GPUs"),
        (SHARED | {"generator": {"gpus": 0.5, "weight_transfer": "nccl"}}, "both need whole GPUs"),
        (WHOLE | {"generator": {"gpus": 1, "weight_transfer": "ipc"}}, "that share a GPU"),
        (
            WHOLE | {"generator": {"gpus": 1, "weight_transfer": "nccl"}, "adapter": {"rank": 8}},
            "an adapter travels in packets",
        ),
        (
            {"generator": {"engine": "mine:Engine"}, "adapter": {"quantize": "nf4", "base_transfer": "recipe"}},
            "adapter.base_transfer ('recipe') cannot be: generator.engine 'mine:Engine' takes packets; leave it out",
        ),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_by_name(
    tiny_config: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        GRPOConfig.model_validate(tiny_config | changes)


SAMPLED = {"eval_data": {"source": "s"}, "benchmarks": {"aime": {"data": {"source": "s"}, "samples": 6}}}


def test_samples_and_k_of_evaluated_sets() -> None:
    common = {"evaluation": {"temperature": 0.6, "samples": 2}}
    held_out, aime = validated(EvalConfig, "c", {"model": {"path": "m"}} | SAMPLED | common).evaluation_sets
    assert (held_out.samples, held_out.k, aime.samples, aime.k) == (2, (1, 2), 6, (1, 2, 4, 6))
    chosen = {"benchmarks": {"aime": SAMPLED["benchmarks"]["aime"] | {"k": [4, 1, 4]}}}
    (_, aime) = validated(EvalConfig, "c", {"model": {"path": "m"}} | SAMPLED | common | chosen).evaluation_sets
    assert aime.k == (1, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"benchmarks.aime.samples \(6\): at temperature 0 all samples of an item are alike"),
        (
            {"evaluation": {"temperature": 1, "samples": 2, "k": [1, 4]}},
            r"evaluation.k \(4\) must be at most evaluation",
        ),
        ({"evaluation": {"temperature": 1, "k": [0]}}, r"evaluation.k.0: .*greater than or equal to 1"),
        ({"eval_data": None, "benchmarks": {}}, "nothing to evaluate"),
    ],
)
def test_samples_that_say_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validated(EvalConfig, "c", {"model": {"path": "m"}} | SAMPLED | changes)
