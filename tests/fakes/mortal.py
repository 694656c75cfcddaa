"""An engine whose own processes can die, as vLLM's do; it computes nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rayrl.generate.engine import EngineSettings, PacketFile
from rayrl.types import Rollout, Sampling, Score


class EngineDeadError(Exception):
    """As vLLM raises it: no error of ours, nor of Ray's."""


class Mortal:
    """Answers while it lives; dead, it raises, or says nothing where `hangs`."""

    def __init__(self, settings: EngineSettings) -> None:
        self.version = 0
        self.alive, self.hangs = True, False
        self.problem: Exception | None = None

    async def start(self) -> None:
        pass

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        await self._answer()
        return [Rollout("", [1], [0.0], [self.version], "stop")] * sampling.n

    async def hold(self, count: int) -> None:
        await self._answer()

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        await self._answer()
        return [Score([0.0] * len(one), True) for one in continuations]

    async def load_weights(self, version: int, packets: Sequence[PacketFile]) -> None:
        await self._answer()
        self.version = version

    async def transfer(self, step: str, fields: dict[str, Any]) -> None:
        await self._answer()
        self.version = fields.get("version", self.version)

    async def close(self) -> None:
        self.alive = False

    async def _answer(self) -> None:
        if self.problem is not None:
            raise self.problem
        if not self.alive and self.hangs:
            await asyncio.sleep(3600)
        if not self.alive:
            raise EngineDeadError("EngineCore encountered an issue")
