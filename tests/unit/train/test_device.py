"""A rank whose GPU has not the room that it is expected to need says so before it loads anything."""

import pytest
import torch

from rayrl.errors import ModelError
from rayrl.train.device import require_device_memory


def test_what_is_free_on_the_gpu_must_hold_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 * 10**9, 80 * 10**9))
    monkeypatch.setattr("rayrl.train.device.PATIENCE", 0.0)
    gpu = torch.device("cuda", 1)
    require_device_memory(gpu, 20 * 10**9)
    with pytest.raises(
        ModelError,
        match=r"rank, .* about 30\.5 GB, on cuda:1 20\.0 of 80\.0 GB are free.*learner\.microbatch_tokens.*"
        r"learner\.workers.*generator\.kv_cache_gb",
    ):
        require_device_memory(gpu, 30_500_000_000)


def test_what_a_dead_rank_still_holds_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    free = [20, 20, 60]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free.pop(0) * 10**9, 80 * 10**9))
    monkeypatch.setattr("rayrl.train.device.time.sleep", lambda seconds: None)
    require_device_memory(torch.device("cuda", 0), 50 * 10**9)
    assert free == []


def test_on_cpu_no_gpu_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: pytest.fail("asked"))
    require_device_memory(torch.device("cpu"), 10**18)
