"""The fleet on plain handles: which weights its generators are given, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from rayrl.actors.coordinator import Coordinator, PromptSets
from rayrl.actors.fleet import Fleet
from rayrl.actors.records import Records
from rayrl.config import GRPOConfig
from rayrl.config.deadlines import DeadlineSettings
from rayrl.errors import DeadlineError, SyncError


class Generator:
    """Takes a while to load, one version after the other."""

    def __init__(self) -> None:
        self.loaded: list[int] = []
        self.transfers: list[tuple[str, dict[str, Any]]] = []
        self.alive = True
        self._loading = asyncio.Lock()
        self.start = SimpleNamespace(remote=self._start)
        self.load_weights = SimpleNamespace(remote=self._load)
        self.transfer = SimpleNamespace(remote=self._transfer)
        self.held = SimpleNamespace(remote=self._held)

    async def _start(self) -> None:
        if not self.alive:
            self.alive = True  # Ray has restarted it by the next time
            raise ActorDiedError

    async def _held(self) -> int:
        if not self.alive:
            raise ActorDiedError
        return self.loaded[-1] if self.loaded else 0

    async def _transfer(self, step: str, fields: dict[str, Any]) -> None:
        self.transfers.append((step, fields))
        if not self.alive:
            raise ActorDiedError

    async def _load(self, version: int, packets: list[Any]) -> int:
        async with self._loading:
            await asyncio.sleep(0.02)
            self.loaded.append(version)
        return version


def config(**generator: Any) -> GRPOConfig:
    return GRPOConfig.model_validate(
        {
            "model": {"path": "x"},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "steps": 1,
            "generator": generator,
        }
    )


async def test_a_version_published_while_a_revived_generator_takes_the_last_one_comes_after_it() -> None:
    generator = Generator()
    fleet = Fleet(config(), [generator], [], Records())
    await fleet.publish(1, ["packet"], [])
    revival = asyncio.ensure_future(fleet._generators.revive(generator, "a generator"))
    await asyncio.sleep(0.01)  # it loads
    await fleet.publish(2, ["packet"], [])
    await revival
    assert generator.loaded == [1, 1, 2]


async def test_a_transfer_gives_each_generator_its_ranks_and_one_that_was_lost_makes_it_open_again() -> None:
    generators = [Generator(), Generator(), Generator()]
    fleet = Fleet(config(gpus=2, tensor_parallel_size=2, replicas=3), generators, [], Records())
    assert not await fleet.prepare_transfer()
    await fleet.transfer("open", {"rank_offset": 1, "world_size": 7})
    assert [one.transfers[-1][1]["rank_offset"] for one in generators] == [1, 3, 5]
    assert await fleet.prepare_transfer()
    await fleet.transfer("start", {})
    await fleet.transfer("finish", {"version": 4})
    assert fleet.version == 4
    generators[1].alive = False
    preparing = asyncio.ensure_future(fleet.prepare_transfer())
    await asyncio.sleep(0.05)
    assert generators[1].loaded == []  # what it is to hold is still on its way
    fleet.keep(["packet"])
    assert not await preparing
    assert generators[1].loaded == [4]
    assert generators[0].loaded == []


async def test_a_generator_that_does_not_come_up_before_a_transfer_is_not_waited_for_without_end() -> None:
    generator = Generator()
    fleet = Fleet(config(), [generator], [], Records())
    fleet.deadlines = DeadlineSettings(start_s=0.05)
    generator.start.remote = lambda: asyncio.sleep(60)
    with pytest.raises(DeadlineError, match=r"waited 0\.05 s for generators to be up for a transfer .*\.start_s"):
        await fleet.prepare_transfer()


async def test_weights_that_a_generator_does_not_take_are_not_waited_for_without_end() -> None:
    generator = Generator()
    fleet = Fleet(config(), [generator], [], Records())
    fleet.deadlines = DeadlineSettings(sync_s=0.05)
    generator.load_weights.remote = lambda version, packets: asyncio.sleep(60)
    with pytest.raises(DeadlineError, match=r"waited 0\.05 s for a generator to load weights of version 3; .*\.sync_s"):
        await fleet.publish(3, ["packet"], [])


async def test_a_generator_that_dies_in_a_transfer_ends_the_run_with_a_reason() -> None:
    generators = [Generator(), Generator()]
    coordinator = Coordinator(config(replicas=2), generators, [])
    coordinator.hold(PromptSets([], {}))
    await coordinator.transfer("start", {})
    generators[0].alive = False
    with pytest.raises(SyncError, match="a generator died in a transfer; resume the run"):
        await coordinator.transfer("receive", {})
    assert isinstance((await coordinator.poll()).failure, SyncError)


async def test_generators_hold_the_base_until_anything_was_sent_to_one() -> None:
    generators = [Generator(), Generator()]
    fleet = Fleet(config(replicas=2), generators, [], Records())
    assert await fleet.hold_base()
    await fleet.publish(1, ["packet"], [])
    assert not await fleet.hold_base()  # as a learner finds them that was started again before its first checkpoint
    for generator in generators:
        generator.alive = False
    assert await fleet.hold_base()  # they start again with what they read
