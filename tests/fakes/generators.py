"""An engine as the harness asks for generators: all at once, and waiting for it."""

import asyncio
from collections.abc import Sequence

from rayrl.types import Rollout, Sampling, Score
from tests.fakes.engine import TransformersEngine


class OneEngine:
    def __init__(self, engine: TransformersEngine) -> None:
        self.engine = engine
        self.asked: list[int] = []
        """Prompts of each call."""
        self.samplings: list[Sampling] = []

    def generate(self, prompts: Sequence[tuple[list[int], Sampling]]) -> list[Rollout]:
        self.asked.append(len(prompts))
        self.samplings += [sampling for _, sampling in prompts]
        return [asyncio.run(self.engine.generate(*one))[0] for one in prompts]

    def score(self, prompts: Sequence[tuple[list[int], list[list[int]]]]) -> list[list[Score]]:
        self.asked.append(len(prompts))
        return [asyncio.run(self.engine.score(*one)) for one in prompts]
