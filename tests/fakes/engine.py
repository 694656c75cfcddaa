"""An inference engine in plain transformers, slow and small: it drives the full loop without vLLM."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rayrl.generate.engine import EngineSettings, PacketFile
from rayrl.generate.packets import read
from rayrl.types import Rollout, Sampling, Score


class TransformersEngine:
    """Samples token by token from the model that it was given last."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.version = 0
        self.model: Any = None

    async def start(self) -> None:
        torch.set_num_threads(1)
        self.model = AutoModelForCausalLM.from_pretrained(self.settings.model, dtype=torch.float32)
        if self.settings.adapter is not None:
            from peft import LoraConfig, inject_adapter_in_model

            inject_adapter_in_model(LoraConfig(**self.settings.adapter), self.model)
        self.tokenizer = AutoTokenizer.from_pretrained(self.settings.model)

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        return [self._sample(prompt_token_ids, sampling, index) for index in range(sampling.n)]

    def _sample(self, prompt: list[int], sampling: Sampling, index: int) -> Rollout:
        generator = torch.Generator().manual_seed((sampling.seed or 0) + index)
        tokens: list[int] = []
        logprobs: list[float] = []
        while len(tokens) < sampling.max_tokens:
            with torch.no_grad():
                logits = self.model(torch.tensor([prompt + tokens])).logits[0, -1]
            scores = torch.log_softmax(logits / (sampling.temperature or 1.0), -1)
            if sampling.temperature:
                token = int(torch.multinomial(scores.exp(), 1, generator=generator))
            else:
                token = int(scores.argmax())
            tokens.append(token)
            logprobs.append(float(scores[token]))
            if token == self.tokenizer.eos_token_id:
                break
        reason = "stop" if tokens[-1] == self.tokenizer.eos_token_id else "length"
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return Rollout(text, tokens, logprobs, [self.version] * len(tokens), reason)

    async def hold(self, count: int) -> None:
        """One after the other, nothing is rounded by what is beside it."""

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        return [self._score(prompt_token_ids, one) for one in continuations]

    def _score(self, prompt: list[int], continuation: list[int]) -> Score:
        with torch.no_grad():
            logits = self.model(torch.tensor([prompt + continuation])).logits[0, len(prompt) - 1 : -1]
        wanted = torch.tensor(continuation)
        logprobs = torch.log_softmax(logits, -1).gather(-1, wanted[:, None])[:, 0]
        return Score(logprobs.tolist(), bool((logits.argmax(-1) == wanted).all()))

    async def load_weights(self, version: int, packets: Sequence[PacketFile]) -> None:
        named = {
            name.replace(".default.", ".").replace(".base_layer.", "."): value
            for name, value in self.model.named_parameters()
        }
        for packet in packets:
            for name, tensor in read(packet):
                named[name].data.copy_(tensor)
        self.version = version

    async def close(self) -> None:
        pass


class FailsAtSecondLoad(TransformersEngine):
    """Takes the first weights, and raises at the next; leaves a file where `options.mark` says, when it does."""

    loads = 0

    async def load_weights(self, version: int, packets: Sequence[PacketFile]) -> None:
        self.loads += 1
        if self.loads > 1:
            Path(self.settings.options["mark"]).touch()
            raise RuntimeError("no room for the weights")
        await super().load_weights(version, packets)


class CountedEngine(TransformersEngine):
    """Answers one request after the other, each after `options.seconds`; writes its process down in `options.asked`."""

    async def start(self) -> None:
        await super().start()
        self._turn = asyncio.Lock()

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        await self._wait()
        return await super().generate(prompt_token_ids, sampling)

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        await self._wait()
        return await super().score(prompt_token_ids, continuations)

    async def _wait(self) -> None:
        async with self._turn:
            await asyncio.sleep(self.settings.options["seconds"])
            with Path(self.settings.options["asked"]).open("a") as asked:
                asked.write(f"{os.getpid()}\n")


class SlowEngine(TransformersEngine):
    """Takes its time, as an engine does that evaluates beside a learner."""

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        await asyncio.sleep(8)
        return await super().generate(prompt_token_ids, sampling)


class TakesTurns(TransformersEngine):
    """Without a model while it sleeps. Writes to `options.turns` when it fell asleep and when it woke."""

    async def sleep(self) -> None:
        if self.model is not None:
            self._held = {name: value.data.clone() for name, value in self.model.named_parameters()}
            self.model = None
            self._note("asleep")

    async def load_weights(self, version: int, packets: Sequence[PacketFile]) -> None:
        if self.model is None:
            await self.start()
            for name, value in self.model.named_parameters():
                value.data.copy_(self._held[name])
            self._note("awake")
        await super().load_weights(version, packets)

    def _note(self, what: str) -> None:
        with Path(self.settings.options["turns"]).open("a") as turns:
            turns.write(f"{os.getpid()} {what} {time.monotonic()}\n")
