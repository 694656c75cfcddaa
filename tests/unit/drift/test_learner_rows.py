"""What two ranks measure while they train is what the commands measure of the exported model."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from rayrl.cli import main
from rayrl.config import FreezeSettings, GRPOConfig, LoRASettings
from rayrl.divergence.text_set import write_texts
from rayrl.drift.learner_rows import measure_learner
from rayrl.drift.model_paths import open_base
from rayrl.errors import FreezeError
from rayrl.learner.adapter import parameters
from rayrl.learner.objectives import sft_objective
from rayrl.train.base_distance import BaseDistance
from rayrl.train.run_directory import TEXTS
from rayrl.types import Example
from tests.conftest import PATIENCE
from tests.fakes.ranks import start_ranks
from tests.unit.learner.conftest import make_learner, make_trees

KINDS: dict[str, LoRASettings | None] = {
    "weights": None,
    "copies": None,
    "adapter": LoRASettings(rank=4),
    "merged": LoRASettings(rank=4, merge=True),
}


def run_rank(rank: int, base: str, folder: str, ranks: int) -> None:
    """Three updates on this rank of each kind, with the attention of all layers training; copies: HSDP, 2 x 2."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    for kind, settings in KINDS.items():
        run = Path(folder) / kind
        data = {"source": "unused.jsonl"}
        config = GRPOConfig.model_validate(
            {
                "model": {"path": base},
                "train_data": data,
                "rewards": [{"function": "maths"}],
                "divergence": {"some": {"data": data}},
                "learner": {"microbatch_tokens": 12},
                "steps": 3,
            }
        )
        copies = {"workers": ranks, "replicate": 2} if kind == "copies" else {}
        learner = make_learner(base, FreezeSettings(preset="attention_only"), adapter=settings, **copies)
        distance = BaseDistance(config, learner, run, base)
        distance.measure(0)
        for step in range(3):
            learner.update(make_trees(seed=step), sft_objective())
        distance.measure(5)  # of a run that was cut off
        distance.measure(3)
        learner.export(run / "model")
        assert distance.notice() == ""


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(base, folder of the runs)"""
    from tests.unit.learner.conftest import make_folder

    base, folder = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("runs")
    make_folder(base, "llama_bfloat16")
    texts = [Example(f"{n}", list(range(3, 7 + n)), [False] * 3 + [True] * (n + 1)) for n in range(5)]
    for kind in KINDS:
        (folder / kind).mkdir()
        (folder / kind / "config.yaml").write_text("{}")
        write_texts(folder / kind / TEXTS, {"some": texts})
    ranks = start_ranks(run_rank, (str(base), str(folder), 4), 4, join=False)
    end = time.monotonic() + 240 * PATIENCE
    while not ranks.join(1):
        assert time.monotonic() < end, "waited 240 s for four ranks"
    return base, folder


@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_four_ranks_is_that_of_the_exported_model(runs: tuple[Path, Path], kind: str, tmp_path: Path) -> None:
    base, folder = runs
    live, output = read(folder / kind / "drift.jsonl"), tmp_path / "drift.jsonl"
    assert {row["step"] for row in live} == {row["checkpoint"] for row in live} == {3}, "what came after is gone"
    assert main(["drift", str(base), str(folder / kind), "--no-spectral", "--output", str(output)]) == 0
    for row, own in zip(read(output), live, strict=True):
        figures = {
            key: pytest.approx(own[key], rel=1e-9) for key in ("relative_frobenius", "frobenius", "base_frobenius")
        }
        assert row == own | figures | {"checkpoint": str(folder / kind), "step": None}
        assert (own["relative_frobenius"] > 0) == ("self_attn" in own["name"])


@pytest.mark.parametrize("kind", KINDS)
def test_divergence_of_four_ranks_is_nothing_at_the_start_and_counts_each_text_once(
    runs: tuple[Path, Path], kind: str
) -> None:
    first, last = read(runs[1] / kind / "divergence.jsonl")
    assert (first["step"], last["step"]) == (0, 3)
    assert first["forward_kl"] == first["reverse_kl"] == 0.0
    assert last["forward_kl"] > 1e-3
    assert all(last["per_item"])
    assert (last["items"], last["tokens"]) == (5, sum(3 + n for n in range(5)))


def test_a_frozen_weight_that_has_moved_is_an_error(runs: tuple[Path, Path]) -> None:
    learner = make_learner(str(runs[0]), FreezeSettings(preset="attention_only"))
    base = open_base(str(runs[0]))
    assert not any(row["frobenius"] for row in measure_learner(learner, base, 1))
    with torch.no_grad():
        value: Any = parameters(learner.policy.model)["model.layers.1.mlp.up_proj.weight"]
        getattr(value, "_local_tensor", value)[3, 4] += 1
    with pytest.raises(FreezeError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        measure_learner(learner, base, 1)
