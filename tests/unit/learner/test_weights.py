import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch._C._distributed_c10d import HashStore
from transformers import AutoModelForCausalLM, Glm4MoeConfig

from rayrl.config import FreezeSettings
from rayrl.learner import model_files
from rayrl.learner.model import load_model, meta_model
from rayrl.learner.weights import materialize

from .conftest import KINDS, PLAIN_KINDS, SIZES, make_learner, weights

Folders = Callable[[str], str]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def process_group() -> None:
    if not dist.is_initialized():
        dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)


@pytest.mark.parametrize("stored", ["", "_bfloat16"])
@pytest.mark.parametrize("kind", [*KINDS, *PLAIN_KINDS])
@pytest.mark.filterwarnings("ignore:.*(cannot share prompts|another layout)")
def test_weights_are_those_that_transformers_loads(kind: str, stored: str, folders: Folders) -> None:
    """Bit for bit, with dtypes, buffers, shared tensors and what is sampled by default."""
    path = folders(kind + stored)
    model, whole = meta_model(path), load_model(path)
    materialize(model, path, CPU)
    assert model.generation_config == whole.generation_config
    for own, expected in (
        (model.named_parameters(), whole.named_parameters()),
        (model.named_buffers(), whole.named_buffers()),
    ):
        tensors = dict(expected)
        for name, value in own:
            other = tensors.pop(name)
            assert value.dtype == other.dtype, name
            assert torch.equal(value, other), name
        assert not tensors
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tied == (whole.get_input_embeddings().weight is whole.get_output_embeddings().weight)


@pytest.mark.filterwarnings("ignore:.*another layout")
def test_what_files_hold_beside_parameters_is_read_and_exported(tmp_path: Path) -> None:
    """The router's corrections of GLM-4's experts are a buffer; its experts are stored one by one."""
    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    config = Glm4MoeConfig(**SIZES, **experts, first_k_dense_replace=1, n_group=1, topk_group=1)
    model = AutoModelForCausalLM.from_config(config)
    buffers = {name: value.normal_() for name, value in model.named_buffers() if name.endswith("correction_bias")}
    assert len(buffers) == 3
    model.save_pretrained(tmp_path / "base")
    learner = make_learner(str(tmp_path / "base"), FreezeSettings(preset="qk_only"))
    learner.export(tmp_path / "export")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "export")
    for found in (learner.policy.model, exported):
        held = dict(found.named_buffers())
        assert all(torch.equal(held[name], value) for name, value in buffers.items())
    expected = dict(model.named_parameters())
    assert all(torch.equal(value, expected[name]) for name, value in exported.named_parameters())


def load_files(files: dict[str, Path]) -> dict[str, torch.Tensor]:
    parts = [load_file(path) for name, path in files.items() if name.endswith(".safetensors")]
    return {name: value for part in parts for name, value in part.items()}


def renamed(path: str, folder: Path) -> str:
    """A copy of a model's folder whose tensors lack the prefix `model.`, as some bases are published."""
    folder.mkdir()
    tensors = load_file(f"{path}/model.safetensors")
    save_file({name.removeprefix("model."): value for name, value in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(Path(path, "config.json").read_text())
    return str(folder)


def test_files_in_another_layout_are_read_whole_and_it_says_so(folders: Folders, tmp_path: Path) -> None:
    path = renamed(folders("llama"), tmp_path / "renamed")
    with pytest.warns(UserWarning, match=r"'model\.embed_tokens\.weight' in another layout"):
        learner = make_learner(path, FreezeSettings(preset="qk_only"))
    expected = weights(make_learner(folders("llama"), FreezeSettings(preset="qk_only")))
    assert all(torch.equal(value, expected[name]) for name, value in weights(learner).items())
    learner.export(tmp_path / "export")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=torch.float32)
    assert all(torch.equal(value, expected[name]) for name, value in exported.named_parameters())


@pytest.mark.parametrize("kind", ["llama", "llama_tied_bfloat16", "gemma2", "olmo2"])
def test_an_export_in_files_is_what_save_pretrained_writes(
    kind: str, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "FILE_BYTES", 20_000)
    learner = make_learner(folders(kind))
    learner.export(tmp_path / "own")
    whole = AutoModelForCausalLM.from_pretrained(folders(kind), dtype="auto")
    whole.save_pretrained(tmp_path / "theirs", max_shard_size=20_000)
    own, theirs = ({path.name: path for path in (tmp_path / name).iterdir()} for name in ("own", "theirs"))
    assert own.keys() == theirs.keys()
    assert len([name for name in own if name.endswith(".safetensors")]) > 2
    for name in ("config.json", "generation_config.json"):
        assert json.loads(own[name].read_text()) == json.loads(theirs[name].read_text())
    indices = [json.loads(files["model.safetensors.index.json"].read_text()) for files in (own, theirs)]
    assert indices[0]["metadata"]["total_size"] == indices[1]["metadata"]["total_size"]
    assert indices[0]["weight_map"].keys() == indices[1]["weight_map"].keys()
    found, expected = (load_files(files) for files in (own, theirs))
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())
    for name, file in indices[0]["weight_map"].items():
        assert name in load_file(own[file])


def test_a_rank_reads_no_weight_of_another_layout_silently(folders: Folders, tmp_path: Path) -> None:
    """A tensor of another shape is transformers' own error, not a part of it."""
    path = renamed(folders("llama"), tmp_path / "cut")
    tensors = load_file(f"{folders('llama')}/model.safetensors")
    save_file(tensors | {"model.norm.weight": torch.ones(31)}, f"{path}/model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match=r"norm\.weight|size mismatch|ignore_mismatched_sizes"):
            make_learner(path)
