"""What Ray Train is asked for. Real ranks: test_driver.py."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.train.torch.config import _is_backend_nccl
from torch.distributed.distributed_c10d import Backend, BackendConfig

from rayrl.config import SFTConfig
from rayrl.train.entry import RankJob, run_ranks


@pytest.mark.parametrize(
    ("gpus", "backends"), [(0, {"cpu": "gloo", "cuda": "gloo"}), (1, {"cpu": "gloo", "cuda": "nccl"})]
)
def test_collectives_of_a_rank_with_a_gpu_carry_host_memory_too(
    gpus: int, backends: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As torch reads the name, and as Ray does, which has NCCL's time-outs end a rank."""
    asked: dict[str, Any] = {}

    def trainer(_run: Any, **settings: Any) -> SimpleNamespace:
        asked.update(settings)
        return SimpleNamespace(fit=lambda: None)

    monkeypatch.setattr("rayrl.train.trainer.Trainer", trainer)
    given = {"model": {"path": "x"}, "train_data": {"source": "x.jsonl"}, "steps": 1}
    config = SFTConfig.model_validate(given | {"learner": {"gpus_per_worker": gpus}})
    run_ranks(RankJob(config, "x", None, None, tmp_path, 0, 0))
    name = asked["torch_config"].backend
    found = BackendConfig(Backend(name)).get_device_backend_map()
    assert {device: found[device] for device in backends} == backends
    assert _is_backend_nccl(name) == bool(gpus)
