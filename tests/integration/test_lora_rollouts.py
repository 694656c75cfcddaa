"""Rollouts with QLoRA on real vLLM: the learner's rounded base and its adapter go into the running engine."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayrl.errors import SyncError
from rayrl.models import EMBEDDED, resolve_model
from rayrl.types import Rollout, Sampling

pytestmark = pytest.mark.integration


@pytest.mark.timeout(280)
@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
async def test_vllm_samples_from_the_policy_that_the_learner_holds(tmp_path: Path) -> None:
    """In step at first and after an update; out of step without the rounded base or the new adapter."""
    import torch
    from transformers import AutoTokenizer

    from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings, ObjectiveSettings
    from rayrl.generate.base_recipe import recipe
    from rayrl.generate.engine import EngineSettings, PacketFile
    from rayrl.generate.packets import pack
    from rayrl.generate.vllm_engine import VLLMEngine
    from rayrl.learner.adapter import adapter_config
    from rayrl.learner.batch import Segment, Tree
    from rayrl.learner.learner import Learner
    from rayrl.learner.objectives import grpo_objective

    folder = resolve_model(EMBEDDED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name three colours."}], add_generation_prompt=True, tokenize=False
    )
    prompt = tokenizer.encode(text, add_special_tokens=False)
    learner = Learner(
        ModelSettings(path=folder),
        LearnerSettings(learning_rate=1e-2, warmup_fraction=0.0),
        FreezeSettings(preset="attention_only"),
        temperature=1.0,
        total_updates=8,
        seed=0,
        device=torch.device("cpu"),
        adapter_settings=LoRASettings(rank=8, alpha=16, quantize="nf4"),
    )
    config = adapter_config(learner.policy.model, folder)
    # One thread: on busy cores the many small LoRA matmuls would spend their time in OpenMP's barriers.
    engine = VLLMEngine(EngineSettings(folder, 256, 0, 16, 1, 1, 1 << 28, 0.8, {}, config))
    await engine.start()
    objective = grpo_objective(ObjectiveSettings(importance_cap=None), max_tokens=24)

    def tree(rollouts: list[Rollout]) -> Tree:
        """The group, with an advantage for those that are shorter in characters."""
        lengths = [len(rollout.text) for rollout in rollouts]
        segments = [Segment(prompt, [False] * len(prompt))]
        for rollout, length in zip(rollouts, lengths, strict=True):
            advantage = 1.0 if length < sum(lengths) / len(lengths) else -1.0
            segments.append(Segment(rollout.token_ids, [True] * len(rollout.token_ids), 0, advantage, rollout.logprobs))
        return Tree(segments)

    async def sample(count: int = 4, tokens: int = 24) -> list[Rollout]:
        return await engine.generate(prompt, Sampling(1.0, 1.0, tokens, n=count, seed=1))

    def difference(rollouts: list[Rollout]) -> float:
        """Mean |log-probability| difference to the learner, in nats."""
        sampled = torch.tensor([value for rollout in rollouts for value in rollout.logprobs])
        (own,) = learner.logprobs([tree(rollouts)])
        return float((torch.tensor(own) - sampled).abs().mean())

    def packets(tensors: Iterable[tuple[str, Any]], name: str) -> list[PacketFile]:
        (tmp_path / name).mkdir()
        return [packet.write(tmp_path / name / str(number)) for number, packet in enumerate(pack(tensors))]

    def adapter(name: str) -> list[PacketFile]:
        return packets(learner.tensors([key for key, trains in learner.trainable.items() if trains]), name)

    try:
        await engine.load_weights(0, adapter("alone"))
        unrounded = difference(await sample())
        (base,) = recipe(learner.rounded_base(), double_quantization=True)
        await engine.load_weights(0, [base, *adapter("first")])
        made = await sample()
        in_step = difference(made)
        assert in_step < 0.12
        assert unrounded > 4 * in_step, "a base that is not rounded shows"
        await engine.load_weights(0, [*packets(learner.rounded_base(), "base"), *adapter("again")])
        assert [one.logprobs.tolist() for one in await sample()] == [one.logprobs.tolist() for one in made]

        learner.update([tree(await sample())], objective)
        skipped = difference(await sample())
        # Completions in flight go on with the adapter that arrives.
        flying = asyncio.ensure_future(sample(4, 100))
        await asyncio.sleep(0.5)
        await engine.load_weights(1, adapter("updated"))
        versions = [rollout.policy_versions.tolist() for rollout in await flying]
        assert max(versions, key=len)[-1] == 1
        assert all(version == sorted(version) for version in versions)
        renewed = difference(await sample())
        assert renewed < 0.12 < skipped

        damaged = adapter("damaged")
        with damaged[0].path.open("r+b") as file:
            file.seek(1000)
            file.write(b"\x00\xff" * 8)
        with pytest.raises(SyncError, match="corrupted"):
            await engine.load_weights(2, damaged)
        other = replace(base.tensors[0], checksum=base.tensors[0].checksum ^ 1)
        with pytest.raises(SyncError, match=f"{other.name}, rounded to 4 bits, is not what the learner rounded"):
            await engine.load_weights(2, [replace(base, tensors=[other])])
    finally:
        await engine.close()
        await asyncio.sleep(0.5)
