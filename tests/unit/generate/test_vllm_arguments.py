"""What vLLM is started with on GPUs, as far as its own argument class: nothing is started here."""

from dataclasses import replace
from typing import Any

import pytest

from rayrl.actors.generator import engine_settings
from rayrl.config import GeneratorSettings
from rayrl.generate.vllm_engine import VLLMEngine

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import


async def started_with(monkeypatch: pytest.MonkeyPatch, shares: bool, sleeps: bool) -> Any:
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    asked: list[Any] = []

    def note(arguments: Any, usage_context: Any) -> None:
        assert usage_context.name == "LLM_CLASS", "whose defaults are the largest batches"
        assert arguments.max_num_seqs is None
        asked.append(arguments)
        raise InterruptedError

    monkeypatch.setattr(current_platform, "is_cpu", lambda: False)
    monkeypatch.setattr(AsyncLLM, "from_engine_args", note)
    settings = engine_settings(GeneratorSettings(gpus=1, kv_cache_gb=20), "m", 100, 0, None, shares)
    with pytest.raises(InterruptedError):
        await VLLMEngine(replace(settings, sleeps=sleeps)).start()
    return asked[0]


async def test_on_a_gpu_of_its_own_vllm_measures_what_is_left_for_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    given = await started_with(monkeypatch, shares=False, sleeps=False)
    assert (given.gpu_memory_utilization, given.kv_cache_memory_bytes, given.enable_sleep_mode) == (0.85, None, False)


@pytest.mark.parametrize("sleeps", [False, True])
async def test_on_a_shared_gpu_its_cache_is_given_and_no_share_must_be_free(
    sleeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = await started_with(monkeypatch, shares=True, sleeps=sleeps)
    assert (given.gpu_memory_utilization, given.kv_cache_memory_bytes) == (0.01, 20_000_000_000)
    assert given.enable_sleep_mode == sleeps
