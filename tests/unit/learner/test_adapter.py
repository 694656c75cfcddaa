"""LoRA and QLoRA against plain PEFT, transformers and bitsandbytes on the exported folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch.distributed.checkpoint import FileSystemReader
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from rayrl.config import FreezeRule, FreezeSettings, LearnerSettings, LoRASettings, ModelSettings, ObjectiveSettings
from rayrl.errors import ConfigError, FreezeError, ModelError
from rayrl.learner import adapter
from rayrl.learner.batch import Tree, make_batch
from rayrl.learner.freeze import layer_of
from rayrl.learner.learner import Learner
from rayrl.learner.memory import Memory, MemoryEstimator
from rayrl.learner.model import decoder_layers, meta_model
from rayrl.learner.objectives import grpo_objective
from rayrl.learner.structure import read_structure
from tests.fakes.ranks import start_ranks

from .conftest import make_learner, make_trees, weights

Folders = Callable[[str], str]
GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)
LORA = LoRASettings(rank=4, alpha=8)
QLORA = LoRASettings(rank=4, alpha=8, quantize="nf4")
TARGETS = 7 * 4  # linear modules of four layers, without the head


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


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        *((kind, LORA) for kind in ("llama", "llama_tied", "qwen2", "qwen3", "gemma3")),
        ("llama_64", QLORA),
        ("gemma3_64", QLORA),
    ],
)
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
    logprobs = learner.policy(make_batch(trees, range(len(trees))), 1.0).logprobs
    logprobs.sum().backward()
    theirs = dict(reference.named_parameters())
    for name, parameter in learner._trained().items():
        gradient = parameter.grad.full_tensor()  # type: ignore[union-attr]
        key = "base_model.model." + name.removesuffix(".weight") + ".default.weight"
        error = (gradient - theirs[key].grad).norm() / theirs[key].grad.norm()  # type: ignore[union-attr,operator]
        assert error < 1e-5, name
    assert len(learner._trained()) == 2 * TARGETS


def run_rank(rank: int, path: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name, settings in (("lora", LORA), ("qlora", QLORA)):
        learner = make_learner(path, adapter=settings, microbatch_tokens=24)
        results = [learner.update(make_trees(seed=step), GRPO) for step in range(2)]
        shards: dict[str, Any] = {**adapter.parameters(learner.policy.model)}
        held = {name: shard.to_local().numel() for name, shard in shards.items()}
        logprobs = learner.logprobs(make_trees())
        learner.state(Path(folder) / f"{name}-state")
        learner.export(Path(folder) / name)
        if rank == 0:
            torch.save((results, logprobs, held), f"{folder}/{name}.pt")
    torch.distributed.destroy_process_group()


def copy_as_cuda_does(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
    """CUDA's `_foreach_copy_` takes floats through float32, which writes one pattern for all that are no number."""
    for target, source in zip(targets, sources, strict=True):
        target.copy_(torch.where(source.isnan(), torch.nan, source) if source.is_floating_point() else source)


def compare_copies(rank: int, path: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    learner = make_learner(path, adapter=QLORA, compute_dtype="bfloat16")
    before = learner.logprobs(make_trees())
    torch._foreach_copy_ = copy_as_cuda_does
    after = learner.logprobs(make_trees())
    assert before == after
    torch.distributed.destroy_process_group()


def test_gathered_codes_survive_a_copy_that_rewrites_what_is_no_number(folders: Folders, tmp_path: Path) -> None:
    """bitsandbytes-foundation/bitsandbytes#1945: codes stored as bfloat16 were corrupted on CUDA, without an error."""
    start_ranks(compare_copies, (folders("llama_64"), str(tmp_path)), 2)


def test_two_ranks_equal_one_with_the_base_sharded_even_in_four_bits(folders: Folders, tmp_path: Path) -> None:
    start_ranks(run_rank, (folders("llama_64"), str(tmp_path)), 2)
    for name, settings in (("lora", LORA), ("qlora", QLORA)):
        results, logprobs, held = torch.load(tmp_path / f"{name}.pt", weights_only=False)
        alone = make_learner(folders("llama_64"), adapter=settings, microbatch_tokens=24)
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


@pytest.mark.parametrize("settings", [LORA, QLORA], ids=["lora", "qlora"])
def test_resumes_bit_for_bit_from_a_state_without_the_base(
    settings: LoRASettings, folders: Folders, tmp_path: Path
) -> None:
    whole = trained_learner(folders("llama_64"), settings)
    whole.state(tmp_path)
    stored = FileSystemReader(tmp_path / "tensors").read_metadata().state_dict_metadata
    assert len(stored) == 3 * len(whole._trained())
    assert all(".lora_" in name for name in stored)
    resumed = make_learner(folders("llama_64"), adapter=settings)
    resumed.load(tmp_path)
    for step in range(2, 4):
        assert whole.update(make_trees(seed=step), GRPO) == resumed.update(make_trees(seed=step), GRPO)
    left, right = weights(whole), weights(resumed)
    for name, value in left.items():  # as bytes: NF4 codes in floats may look like NaN, which equals nothing
        assert torch.equal(value.view(torch.uint8), right[name].view(torch.uint8)), name
    with pytest.raises(FreezeError, match="freeze and adapter settings"):
        make_learner(folders("llama_64")).load(tmp_path)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_only_the_adapter_moves_and_the_layers_below_it_run_no_backward(checkpointing: bool, folders: Folders) -> None:
    freeze = FreezeSettings(preset="last_1")
    learner = make_learner(folders("llama"), freeze, adapter=LORA, activation_checkpointing=checkpointing)
    reached: set[int] = set()

    def note(index: int, _module: object, _input: object, output: torch.Tensor) -> None:
        if output.requires_grad:
            reached.add(index)

    for index, layer in enumerate(decoder_layers(learner.policy.model)):
        layer.register_forward_hook(partial(note, index))
    before = weights(learner)
    for step in range(2):
        learner.update(make_trees(seed=step), GRPO)
    learner.check_frozen()
    assert reached == {3}
    for name, value in weights(learner).items():
        assert torch.equal(value, before[name]) != learner.trainable[name], name
    assert {layer_of(name) for name, trains in learner.trainable.items() if trains} == {3}


@pytest.mark.parametrize("settings", [LORA, QLORA], ids=["lora", "qlora"])
def test_a_merged_export_is_the_original_base_and_the_adapter(
    settings: LoRASettings, folders: Folders, tmp_path: Path
) -> None:
    learner = trained_learner(folders("llama_64"), settings.model_copy(update={"merge": True}))
    learner.export(tmp_path / "merged")
    learner.adapter_settings = settings
    learner.export(tmp_path / "adapter")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    expected = PeftModel.from_pretrained(plain(folders("llama_64"), None), tmp_path / "adapter").merge_and_unload()
    moved = 0
    for name, value in merged.named_parameters():
        torch.testing.assert_close(value, expected.get_parameter(name), rtol=1e-6, atol=1e-6)
        moved += not torch.equal(value, plain(folders("llama_64"), None).get_parameter(name))
    assert moved == TARGETS


def test_dropout_is_for_updates_only(folders: Folders, tmp_path: Path) -> None:
    settings = LORA.model_copy(update={"dropout": 0.5})
    learner = trained_learner(folders("llama"), settings)
    first = learner.logprobs(make_trees())
    assert learner.logprobs(make_trees()) == first
    learner.state(tmp_path)
    without = make_learner(folders("llama"), adapter=LORA)
    without.load(tmp_path)
    assert without.logprobs(make_trees()) == first
    assert without.update(make_trees(), GRPO)["train/loss"] != learner.update(make_trees(), GRPO)["train/loss"]


def test_the_rounded_base_is_what_the_learner_computes_with(folders: Folders) -> None:
    learner = make_learner(folders("llama_64"), adapter=QLORA)
    model = plain(folders("llama_64"), None)
    original = dict(model.named_parameters())
    rounded = dict(learner.rounded_base())
    assert len(rounded) == TARGETS
    for name, value in rounded.items():
        error = (value - original[name]).abs().max() / original[name].abs().max()
        assert 0 < error < 0.2, name
        original[name].data = value
    trees = make_trees()
    for own, values in zip(learner.logprobs(trees), plain_logprobs(model, trees), strict=True):
        torch.testing.assert_close(torch.tensor(own), values.detach(), rtol=1e-5, atol=1e-5)
    assert not list(make_learner(folders("llama_64"), adapter=LORA).rounded_base())


def adapted(folder: str, settings: LoRASettings, freeze: FreezeSettings) -> set[tuple[int | None, str]]:
    trainable = adapter.prepare(meta_model(folder), freeze, settings)
    names = [name for name, trains in trainable.items() if trains]
    assert all(".lora_A." in name or ".lora_B." in name for name in names)
    return {(layer_of(name), name.split(".")[-3]) for name in names}


def test_freeze_rules_say_which_modules_get_an_adapter(folders: Folders) -> None:
    path = folders("llama_tied")
    assert len(adapted(path, LORA, FreezeSettings())) == TARGETS
    assert adapted(path, LORA, FreezeSettings(preset="qk_only")) == {
        (layer, kind) for layer in range(4) for kind in ("q_proj", "k_proj")
    }
    assert len(adapted(path, LORA, FreezeSettings(preset="freeze_mid_mlps"))) == TARGETS - 3
    some = LORA.model_copy(update={"targets": ["q_proj", "model.layers.1.mlp.up_proj"]})
    later = FreezeSettings(rules=[FreezeRule(match="*.q_proj.*", layers="1-3", train=False)])
    assert adapted(path, some, later) == {(0, "q_proj"), (1, "up_proj")}


@pytest.mark.parametrize(
    ("settings", "freeze", "error", "message"),
    [
        (
            {"targets": ["q_porj"]},
            {},
            ConfigError,
            r"adapter\.targets: 'q_porj' .*did you mean 'q_proj'.* down_proj, gate",
        ),
        (
            {"quantize": "nf4"},
            {},
            ModelError,
            r"blocks of 64 weights, 'model.layers.0.self_attn.q_proj' has rows of 32",
        ),
        ({"targets": ["lm_head"]}, {}, ConfigError, r"'lm_head' names no linear module below the head"),
        (
            {},
            {"preset": "qk_and_head"},
            FreezeError,
            r"preset 'qk_and_head': match 'lm_head\.\*' .*base's weights stay",
        ),
        ({}, {"rules": [{"match": "*norm*", "train": True}]}, FreezeError, r"rules\.0: match '\*norm\*' is to train"),
        (
            {"targets": ["v_proj"]},
            {"preset": "qk_only"},
            FreezeError,
            r"'\*\.q_proj\.\*' .*adapter\.targets puts none there",
        ),
        (
            {"targets": ["v_proj"]},
            {"rules": [{"match": "*.v_proj.*", "train": False}]},
            FreezeError,
            "nothing would train",
        ),
    ],
)
def test_contradictions_are_errors(
    settings: dict[str, object], freeze: dict[str, object], error: type[Exception], message: str, folders: Folders
) -> None:
    with pytest.raises(error, match=message):
        adapter.prepare(
            meta_model(folders("llama")), FreezeSettings.model_validate(freeze), LoRASettings.model_validate(settings)
        )


def memory(path: str, settings: LoRASettings | None, workers: int = 1) -> Memory:
    parameters = read_structure(path, FreezeSettings(), settings).parameters
    model = ModelSettings(path=path, compute_dtype="bfloat16")
    return MemoryEstimator(parameters, model, LearnerSettings(workers=workers), settings).without_batch()


def test_the_estimate_counts_bytes_as_they_are_held(folders: Folders) -> None:
    path = folders("llama_64")
    learner = make_learner(path, adapter=QLORA)
    held = adapter.parameters(learner.policy.model)
    packed = {name: value for name, value in held.items() if f"{name.removesuffix('.weight')}.lora_A.weight" in held}
    trained = sum(value.numel() for value in learner._trained().values())
    rest = sum(value.numel() for name, value in held.items() if not learner.trainable[name] and name not in packed)
    codes = sum(value.numel() * value.element_size() for value in packed.values())
    scales = sum(adapter.nf4_scale_bytes(2 * value.numel() * value.element_size(), True) for value in packed.values())
    found = memory(path, QLORA)
    assert found.frozen == 2 * rest + codes + scales  # bfloat16, where this learner has float32
    assert found.weights == found.frozen + 4 * trained
    assert found.optimizer == 8 * trained
    decoder: Any = learner.policy.model.model
    state = decoder.layers[0].mlp.up_proj.base_layer.quant_state
    assert adapter.nf4_scale_bytes(128 * 64, True) == state.absmax.numel() + 4 * state.state2.absmax.numel()
    assert memory(path, QLORA).total < memory(path, LORA).total < memory(path, None).total
    assert memory(path, QLORA, workers=2).frozen < found.frozen
