"""LoRA and QLoRA against plain PEFT, transformers and bitsandbytes on the exported folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from rayrl.config import FreezeRule, FreezeSettings, LoRASettings, ObjectiveSettings
from rayrl.errors import ConfigError, FreezeError
from rayrl.learner import adapter
from rayrl.learner.batch import Tree, make_batch
from rayrl.learner.learner import Learner
from rayrl.learner.model import decoder_layers, meta_model
from rayrl.learner.objectives import grpo_objective

from .conftest import make_learner, make_trees, weights

Folders = Callable[[str], str]
GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)
LORA = LoRASettings(rank=4, alpha=8)
QLORA = LoRASettings(rank=4, alpha=8, quantize="nf4")
KINDS = ["llama", "llama_tied", "qwen2", "qwen3", "gemma3"]


def trained_learner(path: str, settings: LoRASettings, freeze: FreezeSettings | None = None) -> Learner:
    learner = make_learner(path, freeze, adapter=settings)
    for step in range(2):  # after the first, B is no longer 0 and A has a gradient
        learner.update(make_trees(seed=step), GRPO)
    return learner


def plain(path: str, quantize: str | None) -> PreTrainedModel:
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, quantization_config=nf4 if quantize else None
    )
    return model


def plain_logprobs(model: torch.nn.Module, trees: list[Tree]) -> list[torch.Tensor]:
    """Of each tree's completions, from one full row a completion."""
    found = []
    for tree in trees:
        prompt = tree.segments[0].token_ids
        parts = []
        for segment in tree.segments[1:]:
            logits = model(input_ids=torch.tensor([prompt + segment.token_ids])).logits[0, len(prompt) - 1 : -1]
            parts.append(torch.log_softmax(logits.float(), -1)[range(len(segment.token_ids)), segment.token_ids])
        found.append(torch.cat(parts))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [LORA, QLORA], ids=["lora", "qlora"])
def test_logprobs_and_gradients_are_those_of_plain_peft_on_the_exported_folder(
    kind: str, settings: LoRASettings, folders: Folders, tmp_path: Path
) -> None:
    learner = trained_learner(folders(kind), settings)
    trees = make_trees(seed=5)
    learner.export(tmp_path)
    reference = PeftModel.from_pretrained(plain(folders(kind), settings.quantize), tmp_path, is_trainable=True).train()
    expected = plain_logprobs(reference, trees)
    for tree, own, values in zip(trees, learner.logprobs(trees), expected, strict=True):
        assert len(own) == tree.loss_tokens
        torch.testing.assert_close(torch.tensor(own), values.detach(), rtol=1e-5, atol=1e-5)

    torch.cat(expected).sum().backward()
    logprobs, _ = learner.policy(make_batch(trees, range(len(trees))), 1.0)
    logprobs.sum().backward()
    theirs = dict(reference.named_parameters())
    for name, parameter in learner._trained().items():
        gradient = parameter.grad.full_tensor()  # type: ignore[union-attr]
        key = "base_model.model." + name.removesuffix(".weight") + ".default.weight"
        error = (gradient - theirs[key].grad).norm() / theirs[key].grad.norm()  # type: ignore[union-attr,operator]
        assert error < 1e-5, name
    assert len(learner._trained()) == 2 * 7 * 4


def run_rank(rank: int, path: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name, settings in (("lora", LORA), ("qlora", QLORA)):
        learner = make_learner(path, adapter=settings, microbatch_tokens=24)
        results = [learner.update(make_trees(seed=step), GRPO) for step in range(2)]
        held = {name: value.to_local().numel() for name, value in adapter.parameters(learner.policy.model).items()}  # type: ignore[attr-defined]
        logprobs = learner.logprobs(make_trees())
        learner.state(Path(folder) / f"{name}-state")
        learner.export(Path(folder) / name)
        if rank == 0:
            torch.save((results, logprobs, held), f"{folder}/{name}.pt")
    torch.distributed.destroy_process_group()


def test_two_ranks_equal_one_with_the_base_sharded_even_in_four_bits(folders: Folders, tmp_path: Path) -> None:
    mp.spawn(run_rank, (folders("llama"), str(tmp_path)), nprocs=2)
    for name, settings in (("lora", LORA), ("qlora", QLORA)):
        results, logprobs, held = torch.load(tmp_path / f"{name}.pt", weights_only=False)
        alone = make_learner(folders("llama"), adapter=settings, microbatch_tokens=24)
        for step, result in enumerate(results):
            own = alone.update(make_trees(seed=step), GRPO)
            for key in own.keys() - {"train/microbatches"}:
                assert result[key] == pytest.approx(own[key], rel=1e-4, abs=1e-6), key
        for mine, theirs in zip(alone.logprobs(make_trees()), logprobs, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-4)
        for key, value in adapter.parameters(alone.policy.model).items():
            if value.shape[0] % 2 == 0:
                assert held[key] == value.numel() / 2, key
        exported = load_file(tmp_path / name / "adapter_model.safetensors")
        alone.load(tmp_path / f"{name}-state")
        for key, value in alone.tensors([key for key, trains in alone.trainable.items() if trains]):
            assert torch.equal(value, exported[f"base_model.model.{key}"])
