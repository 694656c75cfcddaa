"""A generator that rounds its own files holds what the learner holds, or says which matrix differs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.errors import SyncError
from rayrl.generate.base_recipe import recipe, rounded
from rayrl.learner.learner import Learner
from tests.fakes.model import make_model

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model(tmp_path / "wide", width=128)


def learner_base(folder: Path, dtype: str, double_quantization: bool) -> dict[str, torch.Tensor]:
    adapter = LoRASettings(rank=4, quantize="nf4", double_quantization=double_quantization)
    model = ModelSettings(path=str(folder), compute_dtype=dtype)
    held = Learner(model, LearnerSettings(), FreezeSettings(), 1.0, 1, 0, CPU, adapter_settings=adapter)
    return dict(held.rounded_base())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("double_quantization", [True, False])
def test_what_is_made_of_the_files_is_the_learners_base(folder: Path, dtype: str, double_quantization: bool) -> None:
    base = learner_base(folder, dtype, double_quantization)
    (wanted,) = recipe(base.items(), double_quantization)
    made = dict(rounded(folder, wanted, CPU))
    assert made.keys() == base.keys()
    for name, tensor in base.items():
        assert made[name].dtype == tensor.dtype
        assert torch.equal(made[name], tensor), name
    stored = load_file(folder / "model.safetensors")
    assert not any(torch.equal(stored[name].to(tensor.dtype), tensor) for name, tensor in base.items())


def test_a_model_in_shards_is_read_from_all_of_them(folder: Path) -> None:
    base = learner_base(folder, "float32", True)
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for number in range(2):
        save_file({name: whole[name] for name in sorted(whole)[number::2]}, folder / f"part-{number}.safetensors")
    made = dict(rounded(folder, next(recipe(base.items(), True)), CPU))
    assert all(torch.equal(made[name], tensor) for name, tensor in base.items())


def test_a_matrix_that_comes_out_otherwise_or_is_not_there_is_named(folder: Path) -> None:
    base = learner_base(folder, "float32", True)
    (wanted,) = recipe(base.items(), True)
    with pytest.raises(SyncError, match=r"model\.\S+, rounded to 4 bits, is not what .*base_transfer: packets"):
        list(rounded(folder, replace(wanted, double_quantization=False), CPU))
    other = replace(wanted, tensors=[*wanted.tensors, replace(wanted.tensors[0], name="elsewhere.weight")])
    with pytest.raises(SyncError, match=r"holds no tensor 'elsewhere\.weight'.*adapter\.base_transfer: packets"):
        list(rounded(folder, other, CPU))


def test_there_is_no_recipe_for_a_base_that_is_not_rounded() -> None:
    assert list(recipe([], True)) == []
