"""Replicas on plain handles: the least busy is called, a dead one is revived once, a call is repeated so often."""

import asyncio

import pytest
from ray.exceptions import ActorDiedError

from rayrl.actors.replicas import TRIES, Replicas
from rayrl.config.deadlines import Deadline
from rayrl.errors import DeadlineError, RayrlError


class Handle:
    """Dies at the next `deaths` calls, and stays dead until it is revived, which fails `refusals` times."""

    def __init__(self, deaths: int = 0, refusals: int = 0) -> None:
        self.deaths, self.refusals = deaths, refusals
        self.alive, self.calls, self.revived = True, 0, 0

    async def answer(self) -> int:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.deaths:
            self.deaths, self.alive = self.deaths - 1, False
        if not self.alive:
            raise ActorDiedError
        return self.calls

    async def revive(self) -> None:
        await asyncio.sleep(0.05)
        if self.refusals:
            self.refusals -= 1
            raise ActorDiedError
        self.alive, self.revived = True, self.revived + 1


SOON = Deadline.of("its deadline", 5.0)


def replicas(*handles: Handle, deadline: Deadline = SOON) -> tuple[Replicas, list[str]]:
    lost: list[str] = []
    return Replicas(list(handles), 8, deadline, Handle.revive, lambda what, error: lost.append(what)), lost


async def test_calls_go_to_the_least_busy() -> None:
    handles = Handle(), Handle()
    made, lost = replicas(*handles)
    await asyncio.gather(*(made.call("it", Handle.answer, SOON) for _ in range(6)))
    assert [handle.calls for handle in handles] == [3, 3]
    assert lost == []


async def test_one_that_dies_is_revived_once_for_all_its_callers_however_long_ray_takes() -> None:
    handle = Handle(deaths=1, refusals=2)
    made, lost = replicas(handle)
    await asyncio.gather(*(made.call("it", Handle.answer, SOON) for _ in range(4)))
    assert handle.revived == 1
    assert lost == ["it"] * 4


async def test_a_call_that_kills_is_not_repeated_for_ever() -> None:
    handle = Handle(deaths=100)
    made, lost = replicas(handle)
    with pytest.raises(RayrlError, match="lost an actor three times while waiting for it"):
        await made.call("it", Handle.answer, SOON)
    assert (handle.calls, len(lost)) == (TRIES, TRIES)


async def test_one_that_does_not_come_back_is_named() -> None:
    made, _ = replicas(Handle(deaths=1, refusals=100), deadline=Deadline.of("its deadline", 0.2))
    with pytest.raises(DeadlineError, match=r"waited 0\.2 s for the restart of an actor for it"):
        await made.call("it", Handle.answer, SOON)
