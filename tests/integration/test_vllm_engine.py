"""One real vLLM engine: log-probabilities of given texts against transformers; completions that start together."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import pytest_asyncio

from rayrl.generate.engine import EngineSettings
from rayrl.generate.vllm_engine import VLLMEngine
from rayrl.models import EMBEDDED, load_tokenizer, resolve_model
from rayrl.types import Rollout, Sampling, Score

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::Warning"),  # vLLM in this process: its dependencies warn on import
]
EXAMPLES = "".join(f"Question: what is {n} and {n + 1}?\nAnswer: {2 * n + 1}\n\n" for n in range(12))
LONG = "the capital of the country in which the river Rhine ends, after it has passed Lake Constance and Cologne, is"
FOLDER = resolve_model(EMBEDDED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[VLLMEngine]:
    engine = VLLMEngine(EngineSettings(FOLDER, 512, 0, 16, 1, 2, 1 << 28, 0.8, {}, dtype="float32"))
    await engine.start()
    yield engine
    await engine.close()


async def test_its_process_is_forked_from_one_that_imported_vllm_beside_this_one(engine: VLLMEngine) -> None:
    (core,) = [one for one in psutil.Process().children(recursive=True) if "EngineCore" in one.cmdline()[0]]
    server = psutil.Process(core.ppid())
    assert "forkserver" in " ".join(server.cmdline())
    assert server.ppid() == os.getpid()


async def test_likelihoods_are_those_of_a_forward_pass_whatever_the_cache_holds(engine: VLLMEngine) -> None:
    """Letters, and options that differ late, so that the cache holds more than the prompt; asked for three times: all
    beside one another, again, and beside completions that are drawn at another temperature."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(FOLDER)
    encode = tokenizer.encode
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    contexts = [encode(EXAMPLES + f"Question: {text}?\nAnswer:") for text in ("what is 3 and 4", "who was it", "and")]
    options = [" A", " B", " 7", " seven", *(f" {LONG} {city}" for city in ("Rotterdam", "The Hague", "Amsterdam"))]
    continuations = [encode(one) for one in options]

    def reference(context: list[int], continuation: list[int]) -> Score:
        with torch.no_grad():
            logits = model(torch.tensor([context + continuation])).logits[0, len(context) - 1 : -1]
        wanted = torch.tensor(continuation)
        logprobs = torch.log_softmax(logits, -1)[range(len(continuation)), wanted]
        return Score(logprobs.tolist(), bool((logits.argmax(-1) == wanted).all()))

    greedy = await engine.generate(contexts[0], Sampling(0.0, 1.0, 3))
    written = greedy[0].token_ids.tolist()
    continuations += [written, written[:1]]
    expected = [[reference(context, one) for one in continuations] for context in contexts]
    assert sum(score.greedy for scores in expected for score in scores) >= 2
    for beside in (False, False, True):
        asked: list[Any] = [engine.score(context, continuations) for context in contexts]
        if beside:
            asked += [engine.generate(contexts[0], Sampling(0.5, 0.9, 8, n=4, seed=1))]
        found = (await asyncio.gather(*asked))[: len(contexts)]
        for ours, theirs in zip(found, expected, strict=True):
            assert [score.greedy for score in ours] == [score.greedy for score in theirs]
            for one, other in zip(ours, theirs, strict=True):
                assert one.logprobs == pytest.approx(other.logprobs, abs=2e-3)
    (stopped,) = await engine.generate(contexts[0], Sampling(0.0, 1.0, 40, stop=("\n",)))
    assert "\n" in tokenizer.decode(stopped.token_ids)
    assert stopped.finish_reason == "stop"


async def test_completions_that_start_together_are_the_same_to_the_bit_whenever_each_was_asked_for(
    engine: VLLMEngine,
) -> None:
    tokenizer = load_tokenizer(FOLDER)
    prompts = [tokenizer.encode(f"Count from {n} to {n * n}:" + " and on" * (n % 5)) for n in range(8)]

    async def sample(place: int, delay_s: float = 0.0) -> list[Rollout]:
        await asyncio.sleep(delay_s)
        sampling = Sampling(1.0, 1.0, 2 + place % 4, n=2, seed=place, priority=place)
        return await engine.generate(prompts[place], sampling)

    async def sample_all(seed: int) -> list[list[Rollout]]:
        draw = random.Random(seed)
        await engine.hold(len(prompts))
        return await asyncio.gather(*(sample(place, draw.random()) for place in range(len(prompts))))

    first = await sample_all(0)
    alone = await sample(3)  # nothing is held any longer: its two start when they come, in batches of their own
    assert [one.token_ids.tolist() for one in alone] == [one.token_ids.tolist() for one in first[3]]
    assert await sample_all(1) == first
    await engine.hold(2)
    one = asyncio.ensure_future(sample(0))
    done, _ = await asyncio.wait([one], timeout=5)
    assert not done, "it waits for the other"
    assert await asyncio.gather(sample(1), one) == [first[1], first[0]]
