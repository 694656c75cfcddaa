"""Which folder a path stands for, by what name, and when two models are the same."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rayrl.errors import ModelError
from rayrl.evaluate.model import find_models
from tests.fakes.model import make_model


def adapter_on(base: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {f"{name}.lora_A.weight": torch.ones(2, 32), f"{name}.lora_B.weight": torch.ones(32, 2)}
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def test_a_run_stands_for_what_it_exported_and_every_model_has_a_name_of_its_own(
    tiny_model: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("adapter: {quantize: nf4}")
    shutil.copytree(tiny_model, tmp_path / "a/model")
    adapter = adapter_on(tiny_model, tmp_path / "b/model")
    paths = [tmp_path / "a", tmp_path / "a/model", tmp_path / "b", tiny_model, tmp_path / "a"]
    found = find_models(map(str, paths))
    assert [model.label for model in found] == ["a", "a_model", "b", "tiny", "a-2"]
    assert [model.adapter for model in found] == [None, None, adapter, None, None]
    assert found[2].folder == tiny_model
    assert found[2].tokenizer == tiny_model
    assert next(name for name, _ in found[2].adapter_tensors()) == "model.layers.0.self_attn.q_proj.lora_A.weight"
    assert ["4 bits" in " ".join(model.notes) for model in found] == [False, False, True, False, False]


def test_the_fingerprint_is_of_the_contents_wherever_they_lie(tiny_model: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "copy", make_model(tmp_path / "other", seed=1)
    shutil.copytree(tiny_model, copy)
    adapter = adapter_on(tiny_model, tmp_path / "adapter")
    same, copied, second, tuned = (
        model.fingerprint for model in find_models(map(str, [tiny_model, copy, other, adapter]))
    )
    assert same == copied
    assert len({same, second, tuned}) == 3
    (copy / "generation_config.json").write_text("{}")
    (changed,) = find_models([str(copy)])
    assert changed.fingerprint != same


def test_what_generators_cannot_load_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    state = tmp_path / "run/checkpoints/step_2"
    state.mkdir(parents=True)
    (state / "learner.json").write_text("{}")
    (tmp_path / "run/config.yaml").write_text("{}")
    with pytest.raises(ModelError, match="is a checkpoint to resume from"):
        find_models([str(tmp_path / "run")])
    gone = adapter_on(tmp_path / "gone", tmp_path / "orphan")
    with pytest.raises(ModelError, match=r"its base \(.*gone.*\) is not there"):
        find_models([str(gone)])
    wide = make_model(tmp_path / "wide", width=64)
    with pytest.raises(ModelError, match="another base"):
        find_models([str(adapter_on(wide, tmp_path / "misfit"))])
    with pytest.raises(ModelError, match="does not exist"):
        find_models([str(tmp_path / "nothing")])
