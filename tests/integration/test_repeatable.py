"""Real vLLM: completions that start together wait for the last of them, and are the same to the bit each time."""

import asyncio
import random

import pytest

from rayrl.generate.engine import EngineSettings
from rayrl.generate.vllm_engine import VLLMEngine
from rayrl.models import EMBEDDED, load_tokenizer, resolve_model
from rayrl.types import Rollout, Sampling

pytestmark = pytest.mark.integration


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
async def test_completions_that_start_together_are_the_same_to_the_bit_whenever_each_was_asked_for() -> None:
    folder = resolve_model(EMBEDDED)
    tokenizer = load_tokenizer(folder)
    prompts = [tokenizer.encode(f"Count from {n} to {n * n}:" + " and on" * (n % 5)) for n in range(8)]
    engine = VLLMEngine(EngineSettings(folder, 256, 0, 10, 1, 1, 1 << 28, 0.8, {}))
    await engine.start()

    async def sample(place: int, delay_s: float = 0.0) -> list[Rollout]:
        await asyncio.sleep(delay_s)
        sampling = Sampling(1.0, 1.0, 2 + place % 4, n=2, seed=place, priority=place)
        return await engine.generate(prompts[place], sampling)

    async def sample_all(seed: int) -> list[list[Rollout]]:
        draw = random.Random(seed)
        await engine.hold(len(prompts))
        return await asyncio.gather(*(sample(place, draw.random()) for place in range(len(prompts))))

    try:
        first = await sample_all(0)
        assert await sample(3) == first[3], "nothing is held any longer"
        assert await sample_all(1) == first
        await engine.hold(2)
        one = asyncio.ensure_future(sample(0))
        done, _ = await asyncio.wait([one], timeout=5)
        assert not done, "it waits for the other"
        assert await asyncio.gather(sample(1), one) == [first[1], first[0]]
    finally:
        await engine.close()
