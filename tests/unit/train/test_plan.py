"""What a run is expected to hold: by what its parts really keep, each in its own type."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayrl.config import GRPOConfig
from rayrl.errors import ConfigError, ModelError
from rayrl.learner.structure import ParameterShape
from rayrl.train import plan as plans
from rayrl.train.plan import RunPlan
from rayrl.train.preflight import check_compiler, check_plugins
from tests.fakes.model import make_model


def plan(config: dict[str, Any], **changes: Any) -> RunPlan:
    return RunPlan(GRPOConfig.model_validate(config | changes), ExitStack())


@pytest.mark.parametrize(("dtype", "width"), [("bfloat16", 2), ("float32", 4)])
def test_the_export_is_a_peft_folder_or_a_model_in_its_files_own_type(
    dtype: str, width: int, tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"dtype": dtype}))
    tiny_config["model"]["path"] = str(folder)
    whole = plan(tiny_config)
    assert whole.kept_bytes == (12 + width) * whole.structure.base_size
    with_adapter = plan(tiny_config, adapter={"rank": 4})
    assert with_adapter.kept_bytes == (12 + 4) * with_adapter.structure.trained_size
    merged = plan(tiny_config, adapter={"rank": 4, "merge": True})
    assert merged.kept_bytes == 12 * merged.structure.trained_size + width * merged.structure.base_size
    assert plan(tiny_config, steps=0).kept_bytes == 0
    assert whole.exporting_bytes == width * whole.structure.base_size
    assert with_adapter.exporting_bytes == 4 * with_adapter.structure.trained_size
    assert merged.exporting_bytes == 2 * width * merged.structure.base_size, "the base, and what is merged"
    monkeypatch.setattr(plans, "FILE_BYTES", 1000)
    assert whole.exporting_bytes == 1000, "one file at a time"


@pytest.mark.parametrize(
    ("generator", "width", "cache"),
    [
        ({}, 4, 3_000_000_000),
        ({"options": {"dtype": "bfloat16"}}, 2, 3_000_000_000),
        ({"gpus": 1}, 2, 0),
        ({"gpus": 1, "options": {"dtype": "float32"}}, 4, 0),
    ],
)
def test_a_generator_has_the_type_and_the_cache_of_its_own_processor(
    tiny_model: Path,
    tiny_config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    generator: dict[str, Any],
    width: int,
    cache: int,
) -> None:
    monkeypatch.setattr(plans, "compute_dtype", lambda: "float32", raising=False)
    model = {"path": str(tiny_model), "compute_dtype": "bfloat16"}
    found = plan(tiny_config, model=model, generator={"kv_cache_gb": 3.0} | generator)
    assert found.generator_bytes == width * found.structure.base_size + cache


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_checkpoint_in_the_background_is_a_copy_of_each_ranks_shard_in_host_memory(
    gpus: int, tiny_config: dict[str, Any]
) -> None:
    learner = {"workers": 4, "replicate": 2, "gpus_per_worker": gpus}
    waiting, writing = (plan(tiny_config, learner=learner, checkpoint={"background": one}) for one in (False, True))
    copied = 12 * writing.structure.trained_size // 2
    assert writing.memory.checkpoints == 4 * copied
    assert waiting.memory.checkpoints == 0
    assert writing.memory.total - waiting.memory.total == 4 * copied
    assert writing.learner_bytes - waiting.learner_bytes == (0 if gpus else copied)


def test_of_a_gpu_on_which_two_take_turns_each_turn_must_fit(tiny_config: dict[str, Any]) -> None:
    on_gpu: dict[str, Any] = {"learner": {"gpus_per_worker": 1}, "generator": {"gpus": 1, "kv_cache_gb": 3.0}}
    apart, turns = plan(tiny_config, **on_gpu), plan(tiny_config, **on_gpu, colocate=True)
    assert apart.device_bytes == apart.learner_bytes
    held = turns.learner_memory
    between = held.weights + held.optimizer + held.gathered + held.logits
    assert turns.device_bytes == between + turns.generator_bytes + 3_000_000_000 + plans.ASLEEP
    assert turns.memory.generators == turns.generator_bytes, "its weights, in host memory while it sleeps"
    assert apart.memory.generators == 0
    small = plan(tiny_config, **on_gpu | {"generator": {"gpus": 1, "kv_cache_gb": 1e-6}}, colocate=True)
    assert small.device_bytes == small.learner_bytes + plans.ASLEEP
    assert turns.phase_times
    assert turns.phase_times.staleness == 0


def test_an_engine_of_ones_own_that_is_to_take_turns_can_sleep(tiny_config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"generator\.engine: .* has no method sleep, which colocate asks for"):
        check_plugins(plan(tiny_config, colocate=True))


def test_layers_are_compiled_only_where_there_is_a_compiler(
    tiny_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    check_compiler(plan(tiny_config))
    with pytest.raises(ConfigError, match=r"learner\.compile: .*'no-such-compiler'.*false"):
        check_compiler(plan(tiny_config, learner={"compile": True}))
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    check_compiler(plan(tiny_config, learner={"compile": True}))


def test_nf4_with_rows_that_it_cannot_hold_is_refused_before_anything_starts(
    tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    adapter = {"rank": 4, "quantize": "nf4"}
    with pytest.raises(ModelError, match="whole blocks of 64"):
        _ = plan(tiny_config, adapter=adapter).structure
    wide = make_model(tmp_path / "wide", width=128)
    held = plan(tiny_config, model={"path": str(wide)}, adapter=adapter)
    assert held.structure.trained_size
    packed = sum(parameter.size for parameter in held.structure.parameters if parameter.nf4)
    width = 2 if held.config.model.compute_dtype == "bfloat16" else 4
    assert held.parts.base == width * packed > 0
    assert plan(tiny_config, model={"path": str(wide)}, adapter={"rank": 4}).parts.base == 0
    made = {"adapter": adapter | {"base_transfer": "recipe"}, "generator": {}}
    assert plan(tiny_config, model={"path": str(wide)}, **made).parts.base == 0, "nothing is sent of it"


def test_the_time_of_a_step_is_estimated_where_all_runs_on_gpus_and_all_weights_multiply(
    tiny_config: dict[str, Any],
) -> None:
    learner, generator = {"gpus_per_worker": 1, "workers": 2}, {"gpus": 1}
    whole = plan(tiny_config, learner=learner, generator=generator)
    seconds = whole.record()["phase_times"]
    assert all(seconds[f"{phase}_s"] > 0 for phase in ("generate", "train", "sync"))
    assert seconds["step_s"] == pytest.approx(sum(seconds[f"{phase}_s"] for phase in ("generate", "train", "sync")))
    other = whole.split(1, 2)
    assert other.learner_bytes > whole.learner_bytes
    assert other.data is whole.data, "nothing is read again"
    assert plan(tiny_config).record()["phase_times"] is None
    assert plan(tiny_config, learner=learner).phase_times is None
    assert plan(tiny_config, learner=learner, generator=generator, steps=0).phase_times is None
    expert = ParameterShape("model.layers.0.mlp.experts.up_proj", (4, 8, 8), trains=True)
    whole.structure = replace(whole.structure, parameters=[*whole.structure.parameters, expert])
    assert whole.phase_times is None
