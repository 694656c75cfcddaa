"""Requests that start together: when vLLM is paused for them, and when it goes on."""

import asyncio

import pytest

from rayrl.generate import start_gate
from rayrl.generate.start_gate import StartGate


class Scheduler:
    """What AsyncLLM is told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def pause_generation(self, mode: str, clear_cache: bool) -> None:
        assert (mode, clear_cache) == ("keep", False), "what others computed of a prompt is still of use"
        self.told.append("pause")

    async def resume_generation(self) -> None:
        self.told.append("resume")


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    monkeypatch.setattr(start_gate, "PATIENCE_S", 0.1)
    return Scheduler()


async def test_it_opens_with_the_last_that_was_announced(scheduler: Scheduler) -> None:
    gate = StartGate(scheduler)
    gate.count()
    assert scheduler.told == [], "nobody held it"
    await gate.hold(3)
    for _ in range(2):
        gate.count()
        await asyncio.sleep(0)
        assert scheduler.told == ["pause"]
    gate.count()
    await asyncio.sleep(0.01)
    assert scheduler.told == ["pause", "resume"]
    gate.count()
    await asyncio.sleep(0.2)
    assert scheduler.told == ["pause", "resume"]


async def test_it_waits_for_the_next_as_long_as_some_come_and_then_opens_without_them(scheduler: Scheduler) -> None:
    gate = StartGate(scheduler)
    await gate.hold(4)
    for _ in range(3):
        await asyncio.sleep(0.06)
        gate.count()
    assert scheduler.told == ["pause"], "longer than it waits for one"
    await asyncio.sleep(0.15)
    assert scheduler.told == ["pause", "resume"]


async def test_once_dropped_it_leaves_the_scheduler_to_who_paused_it(scheduler: Scheduler) -> None:
    gate = StartGate(scheduler)
    await gate.hold(2)
    gate.count()
    gate.drop()
    gate.count()
    await asyncio.sleep(0.15)
    assert scheduler.told == ["pause"]
