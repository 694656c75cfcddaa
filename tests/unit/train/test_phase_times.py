"""The estimate of a step's phases: figures worked out by hand, what makes each longer, and what is printed of them."""

import json
import re
from math import inf, isinf
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig, load_config
from rayrl.learner.structure import ParameterShape, Structure
from rayrl.train.memory import PartMemory
from rayrl.train.phase_times import PhaseTimes, phase_times, splits
from rayrl.units import GB

MATHS = Path(__file__).resolve().parents[3] / "configs/maths"
UNIT = {  # one FLOP, byte or token a second
    "tflops": 1e-12,
    "compute_share": 1,
    "hbm_tb_s": 1e-12,
    "hbm_share": 1,
    "link_gb_s": 1e-9,
    "network_gb_s": 1e-9,
    "link_share": 1,
    "host_gb_s": 1e-9,
}
FREE = {"tflops": 1e9, "hbm_tb_s": 1e9, "link_gb_s": 1e12, "network_gb_s": 1e12, "host_gb_s": 1e12}


def model(
    trains: str = "", hidden: int = 4, layers: int = 2, vocabulary: int = 10, key_values: int = 0, **changes: Any
) -> Structure:
    """Each layer is one matrix. What begins with `trains` does; of widths, queries have 0."""
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden)}
    shapes |= {f"model.layers.{layer}.w.weight": (hidden, hidden) for layer in range(layers)}
    shapes |= {"model.norm.weight": (hidden,), "lm_head.weight": (vocabulary, hidden)}
    parameters = [ParameterShape(name, shape, name.startswith(trains)) for name, shape in shapes.items()]
    known = {"tied": {}, "stored_width": 2, "positions": None, "adapter": None, "query_width": 0}
    size = sum(parameter.size for parameter in parameters)
    return Structure(**({"parameters": parameters, "base_size": size, "key_value_width": key_values} | known | changes))


def olmo2() -> Structure:
    """OLMo-2-7B: 32 layers, 4096 wide, 11008 within, as many keys as queries, 100,352 tokens."""
    layer = {f"{name}_proj.weight": (4096, 4096) for name in "qkvo"}
    layer |= {f"{name}_proj.weight": (11008, 4096) for name in ("gate", "up", "down")}
    shapes = {"model.embed_tokens.weight": (100352, 4096)}
    shapes |= {f"model.layers.{index}.{name}": shape for index in range(32) for name, shape in layer.items()}
    parameters = [
        ParameterShape(name, shape, True) for name, shape in (shapes | {"lm_head.weight": (100352, 4096)}).items()
    ]
    size = sum(parameter.size for parameter in parameters)
    return Structure(parameters, size, {}, 2, 4096, 32 * 4096, 2 * 32 * 4096, None)


def config(estimate: dict[str, Any], **changes: Any) -> GRPOConfig:
    """Two prompts of two completions of 4 tokens, one learner and one generator."""
    known = {"prompts_per_step": 2, "group_size": 2, "sampling": {"max_tokens": 4}, "rewards": [{"function": "maths"}]}
    parts = {"model": {"path": "m", "compute_dtype": "bfloat16"}, "train_data": {"source": "d"}, "steps": 1}
    placed = {"generator": {"gpus": 1}, "learner": {"gpus_per_worker": 1}}
    merged = {name: placed.get(name, {}) | changes.pop(name, {}) for name in placed}
    return GRPOConfig.model_validate(known | parts | merged | changes | {"estimate": estimate})


def times(
    settings: TrainingConfig, structure: Structure, learner: int = 0, generator: int = 0, sent: int = 0
) -> PhaseTimes:
    return phase_times(settings, structure, 3.0, PartMemory(learner, generator, sent))


def maths(workers: int, replicas: int, **estimate: Any) -> PhaseTimes:
    """configs/maths/grpo.yaml with prompts of 150 tokens."""
    split = {"learner.workers": workers, "generator.replicas": replicas, "max_staleness": 0 if replicas == 1 else 1}
    rates = {f"estimate.{name}": value for name, value in estimate.items()}
    parts = PartMemory(learner=60 * 10**9, generator=14_600_000_000, sent=14_600_000_000)
    return phase_times(load_config(MATHS / "grpo.yaml", split | rates, GRPOConfig), olmo2(), 150.0, parts)


@pytest.mark.parametrize(
    ("structure", "learner", "multiplications"),
    [
        # forward 16 + 16 + 40, as much for activations and for weights, and the head's logits again
        (model(), {}, 3 * 72 + 40),
        (model(), {"activation_checkpointing": True}, 4 * 72),
        # below the last layer there is no backward
        (model("model.layers.1."), {"activation_checkpointing": True}, 72 + (2 * 16 + 2 * 40) + 16),
        (model("lm_head"), {"activation_checkpointing": True}, 72 + 2 * 40 + 40),
        # the embedding is the head
        (model(tied={"lm_head.weight": "model.embed_tokens.weight"}), {}, 3 * (32 + 80) + 80),
    ],
)
def test_training_costs_forward_and_the_backward_that_there_is(
    structure: Structure, learner: dict[str, Any], multiplications: int
) -> None:
    tokens = 2 * (3 + 2 * 4)  # a prompt once for its completions
    assert times(config(FREE | UNIT, learner=learner), structure).train == pytest.approx(2 * multiplications * tokens)


def test_attention_costs_two_products_with_all_that_is_seen() -> None:
    seen = 2 * (3 * 3 / 2 + 2 * 4 * (3 + 4 / 2))
    settings = config(FREE | UNIT, learner={"activation_checkpointing": True})
    more = times(settings, model(query_width=8)).train - times(settings, model()).train
    assert more == pytest.approx(2 * 2 * 8 * seen * 4)  # forward, again, and two gradients
    top = (
        times(settings, model("model.layers.1.", query_width=8)).train - times(settings, model("model.layers.1.")).train
    )
    assert top == pytest.approx(2 * 2 * 8 * seen * (1 + 3 / 2)), "half of the layers have a backward"


def test_later_updates_and_a_reference_cost_a_forward_each() -> None:
    one, two = (times(config(FREE | UNIT, updates_per_step=count), model()).train for count in (1, 2))
    kept = times(config(FREE | UNIT, objective={"kl_coefficient": 0.1}), model()).train
    assert (two - one, kept - one) == pytest.approx((2 * 72 * 22 / 2, 2 * 72 * 22))


def test_what_is_gathered_and_reduced_counts_where_it_takes_longer_than_the_matmuls() -> None:
    slow = FREE | {name: UNIT[name] for name in ("link_gb_s", "link_share")}
    structure = model()
    moved = structure.base_size * (2 * 2 + 4)  # gathered twice in bfloat16, gradients in float32
    learner = {"workers": 2, "microbatch_tokens": 11}  # a micro-batch on each rank
    assert times(config(slow, learner=learner), structure).train == pytest.approx(moved / 2)
    again = times(config(slow, learner=learner | {"microbatch_tokens": 7}), structure).train
    assert again == pytest.approx(2 * moved / 2), "in every micro-batch"
    across = times(config(slow | {"gpus_per_node": 1}, learner=learner), structure).train
    assert across < 1, "between nodes at the network's rate"
    frozen = times(config(slow, learner=learner), model("lm_head")).train
    assert frozen == pytest.approx((4 * structure.base_size + 4 * 40) / 2)


def test_copies_of_the_model_spare_a_slow_network() -> None:
    slow = {"network_gb_s": 12.5, "completion_tokens": 1500}
    one, two = (
        maths(16, 8, **slow),
        load_config(MATHS / "grpo.yaml", {"learner.workers": 16, "learner.replicate": 2}, GRPOConfig),
    )
    two = two.model_copy(update={"estimate": two.estimate.model_copy(update=slow)})
    assert phase_times(two, olmo2(), 150.0, PartMemory(0, 0, 0)).train < one.train / 1.5


def test_a_token_step_reads_the_weights_and_the_cache_or_multiplies() -> None:
    structure = model(key_values=6)
    memory_bound = config(FREE | {name: UNIT[name] for name in ("hbm_tb_s", "hbm_share")})
    read = 100 + 4 * 12 * (3 + 4 / 2)  # bytes: weights, and what 4 sequences see on average
    assert times(memory_bound, structure, generator=100).generate == pytest.approx(4 * read)
    multiplying = config(FREE | {name: UNIT[name] for name in ("tflops", "compute_share")})
    prefill, decode = 2 * 3 * 2 * 72, 4 * 4 * 2 * 72
    assert times(multiplying, structure).generate == pytest.approx(prefill + decode)
    split = {"tensor_parallel_size": 2, "gpus": 2}
    halved = times(multiplying.model_copy(update={"generator": config({}, generator=split).generator}), structure)
    assert halved.generate == pytest.approx((prefill + decode) / 2)


def test_sequences_without_room_wait() -> None:
    rates = FREE | {name: UNIT[name] for name in ("hbm_tb_s", "hbm_share")}
    structure = model(key_values=6)
    by_setting = times(config(rates, generator={"max_sequences": 2}), structure, generator=100).generate
    assert by_setting == pytest.approx(2 * 4 * (100 + 2 * 12 * 5))
    # of the cache: 2 sequences of 12 bytes x (half a prompt and a completion)
    room = (100 + 2 * 12 * (3 / 2 + 4) + 1) / GB
    tight = config(rates | {"hbm_gb": room}, generator={"gpu_memory_utilization": 1.0})
    assert times(tight, structure, generator=100).generate == pytest.approx(by_setting)
    none = times(tight, structure, generator=200)
    assert isinf(none.generate)
    assert none.record()["step_s"] is none.record()["generate_s"] is None
    json.dumps(none.record(), allow_nan=False)


def test_a_rank_that_its_gpu_cannot_hold_has_no_time() -> None:
    assert times(config({"hbm_gb": 80}), model(), learner=81 * 10**9).train == inf


@pytest.mark.parametrize(
    ("transfer", "gpus", "here", "to_another_node"),
    [
        ("packets", 1, 4 * 3.0, 4 * 3.0 + 3.0),  # GPU, object store, file, GPU; then the network at half of 2 GB/s
        ("nccl", 1, 3.0 + 1.5, 3.0 + 3.0),  # what rank 0 keeps; the broadcast
        ("ipc", 0.5, 3.0, None),
    ],
)
def test_weights_take_the_wire_and_copies_through_the_host(
    transfer: str, gpus: float, here: float, to_another_node: float | None
) -> None:
    rates = FREE | {"host_gb_s": 1, "network_gb_s": 2, "link_gb_s": 4, "link_share": 0.5}
    placed = {"generator": {"gpus": gpus, "weight_transfer": transfer}, "learner": {"gpus_per_worker": gpus}}
    assert times(config(rates, **placed), model(), sent=3 * 10**9).sync == pytest.approx(here)
    if to_another_node:
        apart = times(config(rates | {"gpus_per_node": 1}, **placed), model(), sent=3 * 10**9)
        assert apart.sync == pytest.approx(to_another_node)


def test_an_adapter_spares_gradients_and_nearly_all_of_the_sync() -> None:
    whole = olmo2()
    adapted = [ParameterShape(one.name, one.shape, trains=False) for one in whole.parameters]
    adapted[1:1] = [ParameterShape("model.layers.0.q_proj.lora_A.weight", (16, 4096), trains=True)]
    lora = Structure(adapted, whole.base_size, {}, 2, 4096, whole.query_width, whole.key_value_width, {})
    settings = load_config(MATHS / "grpo.yaml", {}, GRPOConfig)
    full, light = (
        phase_times(settings, one, 150.0, PartMemory(0, 14_600_000_000, 2 * one.trained_size)) for one in (whole, lora)
    )
    assert light.train == pytest.approx(3 / 4 * full.train, rel=0.02), "forward, again, gradients of activations"
    assert light.sync < full.sync / 1000
    assert light.generate == pytest.approx(full.generate)


def test_seven_learners_and_one_generator_against_four_and_four() -> None:
    """Reviewed by hand (700 tokens a completion): generation 55-70 s, training 7.6 s at 350 TFLOP/s and full balance;
    with four generators 15-30 s, with four learners 7/4 of the training, a step at staleness 1 20-30 s."""
    slow, fast = maths(7, 1, completion_tokens=700), maths(4, 4, completion_tokens=700)
    assert 50 < slow.generate < 70
    assert 5.5 < slow.train < 7.6
    assert slow.sync == pytest.approx(14.6 / 3 + 14.6 / (450 * 0.7))
    assert slow.step() == pytest.approx(slow.generate + slow.train + slow.sync)
    assert slow.learner_idle > 0.85
    assert 12 < fast.generate < 30
    assert fast.train == pytest.approx(7 / 4 * slow.train)
    assert fast.step() == fast.train + fast.sync
    assert 15 < fast.step() < 30 < slow.step() / 2
    assert fast.step(0) == pytest.approx(fast.generate + fast.train + fast.sync)


def test_more_of_one_side_takes_less_time_there_and_longer_completions_more_everywhere() -> None:
    grid = [maths(8 - replicas, replicas) for replicas in range(1, 8)]
    assert [one.generate for one in grid] == sorted((one.generate for one in grid), reverse=True)
    assert [one.train for one in grid] == sorted(one.train for one in grid)
    short, long = maths(4, 4, completion_tokens=700), maths(4, 4)
    assert (short.generate < long.generate, short.train < long.train) == (True, True)
    assert maths(4, 4, completion_tokens=1500) == long, "the longest there can be"


def test_on_one_gpu_the_two_take_turns() -> None:
    shared = {"generator": {"gpus": 0.5}, "learner": {"gpus_per_worker": 0.5}, "max_staleness": 1}
    taken = times(config({}, **shared), model(key_values=6), sent=10**9)
    assert taken.step() == pytest.approx(taken.generate + taken.train + taken.sync)


@pytest.mark.parametrize(
    ("learner", "generator", "expected"),
    [
        ({"workers": 7}, {}, [(8 - count, count) for count in range(1, 8)]),
        ({"workers": 4}, {"gpus": 4, "tensor_parallel_size": 4}, [(4, 1)]),
        ({"workers": 4, "replicate": 2}, {"replicas": 4}, [(6, 2), (4, 4)]),
        ({"workers": 1, "gpus_per_worker": 0.5}, {"gpus": 0.5}, [(1, 1)]),
    ],
)
def test_all_splits_are_shown_that_the_settings_allow(
    learner: dict[str, Any], generator: dict[str, Any], expected: list[tuple[int, int]]
) -> None:
    assert list(splits(config({}, learner=learner, generator=generator))) == expected


def test_of_many_splits_about_eight_are_shown_and_the_runs_own() -> None:
    found = list(splits(config({}, learner={"workers": 61}, generator={"replicas": 3})))
    assert len(found) == 8
    assert (61, 3) in found
    assert {sum(split) for split in found} == {64}


def test_sft_only_trains() -> None:
    settings = load_config(MATHS / "sft.yaml", {"learner.gpus_per_worker": 1}, SFTConfig)
    found = phase_times(settings, olmo2(), 1000.0, PartMemory(0, 0, 0))
    assert (found.generate, found.sync) == (0, 0)
    assert found.step() == found.train > 0
    assert list(splits(settings)) == [(settings.learner.workers, settings.generator.replicas)]


def test_a_dry_run_prints_the_splits_and_the_rates_on_gpus_alone(
    tiny_config: dict[str, Any],
    tiny_sft: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def shown(command: str, settings: dict[str, Any], *overrides: str) -> str:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(settings))
        assert main([command, str(path), "--dry-run", *overrides]) == 0
        return capsys.readouterr().out

    gpus = ("--generator.gpus", "1", "--learner.gpus_per_worker", "1", "--learner.workers", "3")
    output = shown("grpo", tiny_config, *gpus, "--estimate.host_gb_s", "0.25")
    assert "an estimate that no run on GPUs has confirmed" in output
    assert re.findall(r"^ *(\*? ?\d \+ \d) ", output, re.MULTILINE) == ["* 3 + 1", "2 + 2", "1 + 3"]
    for rate in (
        "989 TFLOP/s x 0.4",
        "3.35 TB/s x 0.6",
        "450 GB/s",
        "by packets, 0.25 GB/s",
        "completions of 8 (the most",
    ):
        assert rate in " ".join(output.split())
    assert re.search("split +GB/rank +generate +train +sync +step +idle +staleness 1", output), "fits 80 columns"
    assert "learners  GB/rank  train" in shown("sft", tiny_sft, *gpus)
    assert "seconds of a step" not in shown("grpo", tiny_config)
    assert "seconds of a step" not in shown("grpo", tiny_config, *gpus, "--steps", "0")
