"""What a plan says of memory, against what a learner then takes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rayrl.config import GRPOConfig, LearnerSettings, ModelSettings
from rayrl.learner.memory import HOLES, MemoryEstimator
from rayrl.learner.peak import PeakMemory
from rayrl.learner.structure import ParameterShape
from rayrl.train.datasets import Datasets
from rayrl.train.memory import IMPORTED, RAY, VERIFIER, PartMemory, largest_microbatch, run_memory
from rayrl.types import Prompt
from tests.conftest import PATIENCE

FACTOR = 1.4


@pytest.mark.parametrize("preset", ["none", "qlora"])
def test_the_estimate_is_near_the_measured_peak_of_the_embedded_model(preset: str) -> None:
    """In a process of its own; the second update holds moments and activations at once."""
    command = [sys.executable, "-m", "tests.benchmarks.learner_freeze_cost", "--child", preset]
    command += ["--rounds", "2", "--groups", "1", "--threads", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3], timeout=300 * PATIENCE
    )
    row = json.loads(done.stdout.strip().splitlines()[-1])
    assert 1 / FACTOR < row["peak"] / row["estimate"] < FACTOR, row


def test_the_peak_is_what_was_held_at_most_beyond_what_was_there() -> None:
    there = torch.ones(20_000_000)
    peak = PeakMemory(torch.device("cpu"))
    before = peak.bytes()
    size = before + 400_000_000  # above whatever this process once held
    held = torch.ones(size // 4)
    assert peak.bytes() == pytest.approx(size, abs=50_000_000)
    del held, there
    assert peak.bytes() == pytest.approx(size, abs=50_000_000)


SHAPES = {
    "model.embed_tokens.weight": (100, 8),
    "model.layers.0.q_proj.weight": (8, 8),
    "model.layers.0.q_proj.lora_A.weight": (2, 8),
    "model.layers.0.mlp.weight": (20, 8),
    "model.layers.0.norm.weight": (8,),
    "model.layers.1.mlp.weight": (20, 8),
    "lm_head.weight": (100, 8),
}


@pytest.mark.parametrize(
    ("first", "checkpointing", "elements"),
    [
        ("model.embed_tokens.weight", False, 16 + 28 + 28 + 44),  # and the larger layer's gradients
        ("model.embed_tokens.weight", True, 2 * 8 + 44 + 44),
        ("model.layers.0.q_proj.lora_A.weight", False, 28 + 28 + 28),
        ("model.layers.1.mlp.weight", False, 28 + 28),
        ("lm_head.weight", False, 0),
    ],
)
def test_activations_are_those_of_the_layers_that_have_a_backward(
    first: str, checkpointing: bool, elements: int
) -> None:
    parameters = [ParameterShape(name, shape, name == first) for name, shape in SHAPES.items()]
    learner = LearnerSettings(activation_checkpointing=checkpointing)
    for dtype, width in (("bfloat16", 2), ("float32", 4)):
        model = ModelSettings.model_validate({"path": "x", "compute_dtype": dtype})
        assert MemoryEstimator(parameters, model, learner).activations(10) == width * 10 * elements


@pytest.mark.parametrize("trained", ["model.embed_tokens.weight", "lm_head.weight", "model.layers.1.mlp.weight"])
@pytest.mark.parametrize("tied", [False, True])
def test_the_gradient_of_a_head_in_bfloat16_is_added_up_in_float32(trained: str, tied: bool) -> None:
    parameters = [
        ParameterShape(name, shape, name == trained)
        for name, shape in SHAPES.items()
        if not (tied and name == "lm_head.weight")
    ]
    trains = trained == ("model.embed_tokens.weight" if tied else "lm_head.weight")
    for dtype, size in (("bfloat16", 4 * 100 * 8 if trains else 0), ("float32", 0)):
        model = ModelSettings.model_validate({"path": "x", "compute_dtype": dtype})
        assert MemoryEstimator(parameters, model, LearnerSettings()).without_batch().head_gradient == size


def test_holes_are_what_layers_with_a_backward_drop_and_gradients_and_gpus_have_none() -> None:
    shapes = {
        "model.embed_tokens.weight": (100, 8),
        "model.layers.0.input_layernorm.weight": (8,),
        "model.layers.1.input_layernorm.weight": (8,),
        "model.layers.1.q_proj.weight": (6, 8),
        "model.layers.1.q_proj.lora_B.weight": (6, 2),
        "model.norm.weight": (8,),
    }
    model = ModelSettings(path="x", compute_dtype="bfloat16")
    all_train = dict.fromkeys(shapes, True)
    norm, rotated, adapter, unpacked = 3 * 4 * 8, 7 * 6, 3 * 2 * 6, 2 * 6 * 8

    def of(trainable: dict[str, bool], tokens: int = 10, packed: tuple[str, ...] = (), **learner: int) -> int:
        parameters = [ParameterShape(name, shape, trainable[name], name in packed) for name, shape in shapes.items()]
        return MemoryEstimator(parameters, model, LearnerSettings.model_validate(learner)).holes(tokens)

    gradients = 4 * sum(math.prod(shape) for shape in shapes.values())
    assert of(all_train) == int(HOLES * (10 * (2 * norm + rotated + adapter) + gradients))
    from_q = {name: "lora_B" in name for name in shapes}
    of_lora = 4 * 6 * 2
    assert of(from_q, 10, ("model.layers.1.q_proj.weight",)) == int(HOLES * (10 * adapter + of_lora))
    packed = of(all_train, 10, ("model.layers.1.q_proj.weight",))
    assert packed == int(HOLES * (10 * (2 * norm + rotated + adapter) + unpacked + gradients))
    assert of(all_train, workers=2) == int(HOLES * (10 * (2 * norm + rotated + adapter) + gradients // 2))
    assert of(all_train, gpus_per_worker=1) == 0
    checkpointed = of(all_train, activation_checkpointing=True)
    assert checkpointed == int(HOLES * (10 * (norm + rotated + adapter) + gradients))


def test_a_run_is_its_learners_generators_weights_on_their_way_and_processes() -> None:
    settings = {
        "model": {"path": "x"},
        "train_data": {"source": "reasoning_gym:chain_sum"},
        "rewards": [{"function": "maths"}],
        "steps": 1,
        "learner": {"workers": 2},
        "generator": {"replicas": 3},
    }
    parts = PartMemory(learner=5, generator=7, sent=11, copied=13)
    needed = run_memory(GRPOConfig.model_validate(settings), parts)
    assert (needed.learners, needed.generators, needed.sync) == (10, 21, 55)
    verifier = GRPOConfig.model_validate(settings).verifier
    workers = verifier.actors * (1 + verifier.processes_per_actor)
    assert needed.processes == RAY + IMPORTED * (1 + 2 + 3 * 3) + VERIFIER * workers
    assert needed.checkpoints == 26
    assert needed.total == sum((needed.learners, needed.generators, needed.sync, needed.processes, 26))
    on_gpus = settings | {"learner": {"gpus_per_worker": 1}, "generator": {"gpus": 1}}
    assert run_memory(GRPOConfig.model_validate(on_gpus), parts).learners == 0
    assert run_memory(GRPOConfig.model_validate(on_gpus), parts).generators == 0
    interpreters = IMPORTED * (1 + 1 + 2)
    assert run_memory(GRPOConfig.model_validate(on_gpus), parts).processes == RAY + interpreters + VERIFIER * workers
    assert run_memory(GRPOConfig.model_validate(on_gpus), parts).checkpoints == 13  # one rank


@pytest.mark.parametrize(
    ("learner", "tokens"),
    [
        ({}, 6 * (7 + 4 * 10)),
        ({"workers": 4}, 2 * (7 + 4 * 10)),
        ({"microbatch_tokens": 100}, 100),
        ({"microbatch_tokens": 20}, 20),  # a group is cut
        ({"microbatch_tokens": 10}, 7 + 10),  # a completion with its prompt is not
    ],
)
def test_the_largest_microbatch_is_what_a_step_can_give_a_rank(learner: dict[str, int], tokens: int) -> None:
    config = GRPOConfig.model_validate(
        {
            "model": {"path": "x"},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "sampling": {"max_tokens": 10},
            "steps": 1,
            "prompts_per_step": 12,
            "updates_per_step": 2,
            "group_size": 4,
            "learner": learner,
        }
    )
    prompts = [Prompt(id=str(size), text="", token_ids=list(range(size)), columns={}) for size in (3, 7)]
    assert largest_microbatch(config, Datasets(prompts, None, {}, {}, 1, {})) == tokens


def test_a_base_that_was_rounded_is_sent_beside_each_version_and_kept() -> None:
    settings = {
        "model": {"path": "x"},
        "train_data": {"source": "reasoning_gym:chain_sum"},
        "rewards": [{"function": "maths"}],
        "steps": 1,
        "generator": {"replicas": 3},
    }
    parts = PartMemory(learner=5, generator=7, sent=11, base=100)
    assert run_memory(GRPOConfig.model_validate(settings), parts).sync == (2 * 11 + 100) + 3 * (11 + 100)
