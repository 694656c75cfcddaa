"""The fleet on plain handles: which weights its generators are given, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any

from rayrl.actors.fleet import Fleet
from rayrl.actors.records import Records
from rayrl.config import GRPOConfig


class Generator:
    """Takes a while to load, one version after the other."""

    def __init__(self) -> None:
        self.loaded: list[int] = []
        self._loading = asyncio.Lock()
        self.start = SimpleNamespace(remote=self._start)
        self.load_weights = SimpleNamespace(remote=self._load)

    async def _start(self) -> None:
        pass

    async def _load(self, version: int, packets: list[Any]) -> int:
        async with self._loading:
            await asyncio.sleep(0.02)
            self.loaded.append(version)
        return version


async def test_a_version_published_while_a_revived_generator_takes_the_last_one_comes_after_it() -> None:
    config = GRPOConfig.model_validate(
        {
            "model": {"path": "x"},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "steps": 1,
        }
    )
    generator = Generator()
    fleet = Fleet(config, [generator], [], Records())
    await fleet.publish(1, ["packet"], [])
    revival = asyncio.ensure_future(fleet._generators.revive(generator, "a generator"))
    await asyncio.sleep(0.01)  # it loads
    await fleet.publish(2, ["packet"], [])
    await revival
    assert generator.loaded == [1, 1, 2]
