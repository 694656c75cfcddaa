"""Compiled decoder layers compute what they compute without, and no batch compiles anew."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from rayrl.config import FreezeSettings, LoRASettings, ObjectiveSettings
from rayrl.errors import ConfigError
from rayrl.learner import compilation
from rayrl.learner.model_files import gather
from rayrl.learner.objectives import grpo_objective

from .conftest import make_learner, make_trees

# What torch's own tracer and compiler do.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*autograd.function.Function:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
]

GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)
Folders = Callable[[str], str]
CASES: dict[str, tuple[str, dict[str, Any]]] = {  # kind of model, and what turns a layer's graph into code
    # Traced and differentiated as for a GPU; torch's own kernels.
    "llama_tied": ("aot_eager", {"freeze": FreezeSettings(preset="freeze_mid_mlps"), "activation_checkpointing": True}),
    "gemma3_64": ("eager", {"adapter": LoRASettings(rank=2, dropout=0.1, quantize="nf4")}),
    "llama": ("inductor", {}),
}


@pytest.fixture(autouse=True)
def _forget() -> None:
    torch._dynamo.reset()


def gradients(path: str, compiled: bool, **settings: Any) -> dict[str, torch.Tensor]:
    """Log-probabilities, and a tenth of the first update's gradient."""
    learner = make_learner(path, compile=compiled, **settings)
    found = {"logprobs": torch.tensor([value for row in learner.logprobs(make_trees()) for value in row])}
    assert learner.update(make_trees(), GRPO)["train/skipped_updates"] == 0
    for name, value in learner._trained().items():
        found[name] = gather(learner.optimizer.state[value]["exp_avg"], torch.float32)
    return found


@pytest.mark.parametrize("kind", CASES)
def test_compiled_layers_compute_the_same(kind: str, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, settings = CASES[kind]
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of processes for a small model
    counter = CompileCounterWithBackend(backend)
    monkeypatch.setattr(compilation, "BACKEND", counter)
    expected, found = (gradients(folders(kind), compiled, **settings) for compiled in (False, True))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name] - value).norm() <= 1e-5 * value.norm(), name
    assert counter.frame_count > 0


def test_no_batch_compiles_anew(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(compilation, "BACKEND", counter)
    learner = make_learner(folders("llama"), compile=True, total=20, microbatch_tokens=40)
    learner.update(make_trees(seed=0), GRPO)
    compiled = counter.frame_count
    assert 0 < compiled < 4 * 8, "layers of one kind share what is compiled"
    for seed in range(1, 6):
        learner.update(make_trees(count=2 + seed, seed=seed), GRPO)
    assert counter.frame_count == compiled


def test_the_layers_of_an_adapter_share_what_is_compiled(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer too, though its input, that of frozen embeddings, would need no gradient."""
    counts = []
    for adapter in (None, LoRASettings(rank=2)):
        torch._dynamo.reset()
        counter = CompileCounterWithBackend("eager")
        monkeypatch.setattr(compilation, "BACKEND", counter)
        learner = make_learner(folders("llama"), compile=True, adapter=adapter, activation_checkpointing=True)
        learner.update(make_trees(), GRPO)
        counts.append(counter.frame_count)
    assert counts[0] == counts[1]


def test_a_machine_without_a_compiler_is_named(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"learner\.compile: .*'no-such-compiler'.*false"):
        make_learner(folders("llama"), compile=True)
