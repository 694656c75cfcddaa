"""Drift against a direct computation in float64, from every kind of checkpoint that the command takes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rayrl.actors.admission import CoordinatorState
from rayrl.cli import main
from rayrl.config import FreezeSettings, LoRASettings
from rayrl.drift import weights
from rayrl.learner.batch import Segment, Tree
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import sft_objective
from rayrl.train.checkpoints import Checkpoints
from tests.fakes.model import make_model
from tests.unit.learner.conftest import make_learner

Drift = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def drift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Drift:
    """Runs the command; its rows by name."""

    def run(base: Path | str, checkpoint: Path | str, *options: str) -> dict[str, dict[str, Any]]:
        output = tmp_path / "drift.jsonl"
        arguments = ["drift", str(base), str(checkpoint), "--output", str(output), "--overwrite", *options]
        assert main(arguments) == 0, capsys.readouterr().err
        return {row["name"]: row for row in map(json.loads, output.read_text().splitlines())}

    return run


def trained(base: Path, adapter: LoRASettings | None = None, preset: str = "none") -> Learner:
    """A learner after three large updates."""
    learner = make_learner(str(base), FreezeSettings(preset=preset), adapter=adapter)
    trees = [Tree([Segment([2 + seed, 5, 9, 11, 4], [False, True, True, True, True])]) for seed in range(3)]
    for _ in range(3):
        learner.update(trees, sft_objective())
    return learner


def export(learner: Learner, folder: Path) -> Path:
    learner.export(folder)
    return folder


def direct(base: torch.Tensor, tuned: torch.Tensor, top: int = 16) -> dict[str, float]:
    """The figures of one matrix, from dense singular value decompositions in float64."""
    changed = float((tuned.bfloat16() != base.bfloat16()).double().mean())
    base, change = base.double(), tuned.double() - base.double()
    figures = {"relative_frobenius": float(change.norm() / base.norm()), "changed_bf16": changed}
    if change.ndim == 2 and change.any():
        left, _, right = torch.linalg.svd(base, full_matrices=False)
        left, right = left[:, :top], right[:top].T
        values = torch.linalg.svdvals(change)
        shares = values / values.sum()
        square = change.square().sum()
        figures |= {
            "spectral_norm": float(values[0]),
            "stable_rank": float(square / values[0] ** 2),
            "effective_rank": float((-(shares * shares.clamp(min=1e-300).log()).sum()).exp()),
            "alignment": float((left.T @ change @ right).square().sum() / square),
            "alignment_left": float((left.T @ change).square().sum() / square),
            "alignment_right": float((change @ right).square().sum() / square),
        }
    return figures


@pytest.mark.parametrize("block", [64, weights.BLOCK_ENTRIES], ids=["in blocks of a row or two", "whole"])
def test_figures_are_those_of_a_direct_computation_and_frozen_matrices_have_not_moved(
    tiny_model: Path, drift: Drift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(weights, "BLOCK_ENTRIES", block)
    model = export(trained(tiny_model, preset="qk_only"), tmp_path / "model")
    rows = drift(tiny_model, model)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(model / "model.safetensors")
    assert rows.keys() == before.keys()
    for name, row in rows.items():
        assert row == row | {key: pytest.approx(v, rel=1e-5) for key, v in direct(before[name], after[name]).items()}
        assert (
            (row["relative_frobenius"] > 0.01) == (row["changed_bf16"] > 0.1) == ("q_proj" in name or "k_proj" in name)
        )
        if "q_proj" not in name and "k_proj" not in name:
            assert row["relative_frobenius"] == row["frobenius"] == row["changed_bf16"] == 0.0
    row = rows["model.layers.1.self_attn.k_proj.weight"]
    assert (row["layer"], row["kind"], row["checkpoint"]) == (1, "self_attn.k_proj", str(model))


def test_large_matrices_are_estimated_within_the_stated_tolerance(drift: Drift, tmp_path: Path) -> None:
    torch.manual_seed(0)
    size = 1100
    power = torch.diag(torch.arange(1, size + 1) ** -1.0)
    base = torch.randn(size, 1500)
    changes = {
        "noise": torch.randn(size, 1500),
        "decay": torch.randn(size, size) @ power @ torch.randn(size, 1500),
        "low_rank": torch.randn(size, 4) @ torch.randn(4, 1500),
    }
    for folder, scale in (("base", 0.0), ("tuned", 1e-3)):
        (tmp_path / folder).mkdir()
        save_file(
            {name: base + scale * change for name, change in changes.items()}, tmp_path / folder / "model.safetensors"
        )
    for name, row in drift(tmp_path / "base", tmp_path / "tuned").items():
        expected = direct(base, base + 1e-3 * changes[name])
        assert not row["spectral_exact"]
        assert row["relative_frobenius"] == pytest.approx(expected["relative_frobenius"], rel=1e-5)
        assert row["spectral_norm"] == pytest.approx(expected["spectral_norm"], rel=0.01)
        assert row["effective_rank"] == pytest.approx(expected["effective_rank"], rel=0.05)


def test_an_adapter_a_run_and_its_checkpoint_give_what_the_merged_model_gives(
    tmp_path: Path, drift: Drift, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_model(tmp_path / "base")
    settings = LoRASettings(rank=4, alpha=6, targets=["q_proj", "down_proj"])
    learner = trained(base, settings)
    run = tmp_path / "run"
    Checkpoints(run / "checkpoints", keep=1).save(learner, CoordinatorState(3))
    (run / "config.yaml").write_text(json.dumps({"adapter": settings.model_dump()}))
    from_adapter = drift(base, export(learner, tmp_path / "adapter"))
    from_checkpoint = drift(base, run / "checkpoints" / "step_000003")
    assert [row["step"] for row in from_checkpoint.values()] == [3] * len(from_checkpoint)
    export(learner, run / "model")
    from_run = drift(base, run)

    # In float32: rounded to bfloat16, the merged model is another one.
    whole = load_file(base / "model.safetensors")
    folders = [tmp_path / "wide", tmp_path / "merged"]
    pairs = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    merged = {name: tensor.float() for name, tensor in whole.items()}
    for name, first in pairs.items():
        if ".lora_A." in name:
            weight = name.removeprefix("base_model.model.").replace(".lora_A.", ".")
            merged[weight] = merged[weight] + 6 / 4 * (pairs[name.replace("lora_A", "lora_B")] @ first)
    for folder, tensors in zip(folders, ({n: t.float() for n, t in whole.items()}, merged), strict=True):
        folder.mkdir()
        save_file(tensors, folder / "model.safetensors")
    expected = drift(*folders)
    moved = {name for name, row in expected.items() if row["relative_frobenius"]}
    assert {name.split(".")[-2] for name in moved} == {"q_proj", "down_proj"}
    for rows in (from_adapter, from_checkpoint, from_run):
        for name, row in rows.items():
            assert row["relative_frobenius"] == pytest.approx(expected[name]["relative_frobenius"], rel=1e-5)
            assert row["changed_bf16"] == expected[name]["changed_bf16"]
            if name in moved:
                assert row["effective_rank"] == pytest.approx(expected[name]["effective_rank"], rel=1e-2)
                assert row["effective_rank"] < 4.01
    capsys.readouterr()


def test_a_checkpoint_of_whole_weights_gives_what_its_export_gives(
    tiny_model: Path, drift: Drift, tmp_path: Path
) -> None:
    learner = trained(tiny_model, preset="attention_only")
    Checkpoints(tmp_path / "checkpoints", keep=1).save(learner, CoordinatorState(7))
    exported = drift(tiny_model, export(learner, tmp_path / "model"))
    stored = drift(tiny_model, tmp_path / "checkpoints" / "step_000007")
    assert {row.pop("checkpoint") for row in stored.values()} != {row.pop("checkpoint") for row in exported.values()}
    assert stored == {name: row | {"step": 7} for name, row in exported.items()}


def test_shards_and_tensors_without_a_counterpart_are_read_and_listed(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_file(tiny_model / "model.safetensors")
    shards = tmp_path / "shards"
    shards.mkdir()
    parts = {
        f"model-0000{n}-of-00002.safetensors": {k: v for i, (k, v) in enumerate(whole.items()) if i % 2 == n}
        for n in range(2)
    }
    parts["model-00000-of-00002.safetensors"] |= {"extra": torch.ones(3), "counter": torch.ones(3, dtype=torch.int64)}
    for file, tensors in parts.items():
        save_file(tensors, shards / file)
    index = {"weight_map": {name: file for file, tensors in parts.items() for name in tensors}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    assert main(["drift", str(tiny_model), str(shards), "--no-spectral"]) == 0
    output = capsys.readouterr().out
    assert f"{len(whole)} tensors compared" in output
    assert "not compared: 1 only in the checkpoint (extra)" in output
    assert "not compared: 1 of whole numbers in the checkpoint (counter)" in output
    (shards / "model-00001-of-00002.safetensors").unlink()
    assert main(["drift", str(tiny_model), str(shards)]) == 4
    assert "1 of 2 files are missing, 'model-00001-of-00002.safetensors' first" in capsys.readouterr().err


def damaged(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_bad_input_ends_with_one_message(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = load_file(tiny_model / "model.safetensors")
    norm = "model.norm.weight"
    lora = export(trained(tiny_model, LoRASettings(rank=2)), tmp_path / "lora")
    dora = export(trained(tiny_model, LoRASettings(rank=2)), tmp_path / "dora")
    config = json.loads((dora / "adapter_config.json").read_text())
    (dora / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    wide = make_model(tmp_path / "wide", width=64)
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.jsonl").write_text("")
    infinite = damaged(tmp_path / "infinite", whole | {norm: whole[norm] * torch.inf})
    other = damaged(tmp_path / "other", {"transformer.wte": torch.ones(3)})
    cases: list[tuple[list[Any], int, list[str]]] = [
        ([tiny_model, tmp_path / "empty"], 4, ["empty", "no model.safetensors", "run directory"]),
        ([tiny_model, tmp_path / "absent"], 4, ["absent", "does not exist"]),
        ([tiny_model, infinite, "--no-spectral"], 4, [norm, "not finite"]),
        ([tiny_model, other], 4, ["no tensor of the base's names", "transformer.wte"]),
        ([wide, lora], 4, ["lora_A", "another base?"]),
        ([tiny_model, dora], 4, ["use_dora", "merge it"]),
        ([lora, tiny_model], 4, ["BASE", "no whole model"]),
        ([tiny_model, tiny_model, "--output", tmp_path / "there.jsonl"], 2, ["there.jsonl", "--overwrite"]),
        ([tiny_model, tiny_model, "--directions", 0], 2, ["--directions 0", "--no-spectral"]),
        ([tiny_model, tiny_model, "--device", "tpu"], 2, ["--device", "'tpu'"]),
        ([tiny_model, tiny_model, "--no_spectral"], 2, ["--no_spectral"]),
    ]
    for arguments, code, says in cases:
        assert main(["drift", *map(str, arguments)]) == code, arguments
        message = capsys.readouterr().err.replace("\n", " ")
        assert "rayrl: " in message
        assert all(part in message for part in says), message
