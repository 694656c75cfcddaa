"""Log-probabilities of given texts by real vLLM, with its prefix cache, against a forward pass in transformers."""

import asyncio
from typing import Any

import pytest

from rayrl.models import EMBEDDED, resolve_model

pytestmark = pytest.mark.integration
EXAMPLES = "".join(f"Question: what is {n} and {n + 1}?\nAnswer: {2 * n + 1}\n\n" for n in range(12))
LONG = "the capital of the country in which the river Rhine ends, after it has passed Lake Constance and Cologne, is"


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
async def test_likelihoods_are_those_of_a_forward_pass_whatever_the_cache_holds() -> None:
    """Letters, and options that differ late, so that the cache holds more than the prompt; asked for three times: all
    beside one another, again, and beside completions that are drawn at another temperature."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rayrl.generate.engine import EngineSettings
    from rayrl.generate.vllm_engine import VLLMEngine
    from rayrl.types import Sampling, Score

    folder = resolve_model(EMBEDDED)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    encode = tokenizer.encode
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    contexts = [encode(EXAMPLES + f"Question: {text}?\nAnswer:") for text in ("what is 3 and 4", "who was it", "and")]
    options = [" A", " B", " 7", " seven", *(f" {LONG} {city}" for city in ("Rotterdam", "The Hague", "Amsterdam"))]
    continuations = [encode(one) for one in options]
    engine = VLLMEngine(EngineSettings(folder, 512, 0, 16, 1, 2, 1 << 28, 0.8, {}, dtype="float32"))
    await engine.start()

    def reference(context: list[int], continuation: list[int]) -> Score:
        with torch.no_grad():
            logits = model(torch.tensor([context + continuation])).logits[0, len(context) - 1 : -1]
        wanted = torch.tensor(continuation)
        logprobs = torch.log_softmax(logits, -1)[range(len(continuation)), wanted]
        return Score(logprobs.tolist(), bool((logits.argmax(-1) == wanted).all()))

    try:
        greedy = await engine.generate(contexts[0], Sampling(0.0, 1.0, 3))
        continuations += [greedy[0].token_ids, greedy[0].token_ids[:1]]
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
    finally:
        await engine.close()
