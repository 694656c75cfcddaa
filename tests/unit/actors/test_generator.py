"""The generator actor without Ray: it ends with its engine, so that Ray starts both again, and with nothing less."""

import asyncio

import pytest

from rayrl.actors.generator import GeneratorActor
from rayrl.errors import SyncError
from rayrl.generate.engine import EngineSettings
from rayrl.types import Sampling
from tests.fakes.mortal import EngineDeadError, Mortal

ONE = Sampling(1.0, 1.0, 8)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes with which this process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr("rayrl.actors.generator.os._exit", codes.append)
    monkeypatch.setattr("rayrl.actors.generator.WATCH_S", 0.05)
    return codes


async def started() -> tuple[GeneratorActor, Mortal]:
    actor = GeneratorActor("tests.fakes.mortal:Mortal", EngineSettings("m", 10, 0, 1, 1, 1, 1, 0.5, {}))
    await actor.start()
    assert isinstance(actor.engine, Mortal)
    return actor, actor.engine


async def test_a_dead_engine_ends_the_actor_whatever_was_asked_of_it(ends: list[int]) -> None:
    actor, engine = await started()
    assert len(await actor.generate([1], ONE)) == 1
    assert await actor.load_weights(1, []) == 1
    engine.alive = False
    with pytest.raises(EngineDeadError):
        await actor.generate([1], ONE)
    assert ends == [1]
    with pytest.raises(SyncError):
        await actor.load_weights(2, [])
    assert ends == [1, 1]
    await actor.close()


async def test_a_dead_engine_that_does_not_answer_ends_it_too_also_when_nothing_is_asked(ends: list[int]) -> None:
    actor, engine = await started()
    engine.alive, engine.hangs = False, True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(actor.load_weights(1, []), 0.3)
    assert ends
    await actor.close()


async def test_an_error_of_a_living_engine_is_an_error_and_a_closed_engine_is_no_loss(ends: list[int]) -> None:
    actor, engine = await started()
    engine.problem = ValueError("prompt too long")
    with pytest.raises(ValueError, match="prompt too long"):
        await actor.generate([1], ONE)
    with pytest.raises(SyncError, match="version 1 failed in the engine: prompt too long"):
        await actor.load_weights(1, [])
    await actor.close()
    await asyncio.sleep(0.2)
    assert ends == []


async def test_weights_that_arrive_while_others_are_taken_wait_for_them(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a revived generator takes the newest version and the next is published: vLLM refuses a second update."""
    actor, engine = await started()
    busy: list[int] = []

    async def load_weights(version: int, packets: object) -> None:
        assert not busy, "a weight update is already active"
        busy.append(version)
        await asyncio.sleep(0.05)
        engine.version = busy.pop()

    monkeypatch.setattr(engine, "load_weights", load_weights)
    assert await asyncio.gather(actor.load_weights(1, []), actor.load_weights(2, [])) == [1, 2]
    assert engine.version == 2
    await actor.close()
    assert ends == []


async def test_within_a_transfer_other_weights_wait_and_a_new_learner_finds_a_new_actor(ends: list[int]) -> None:
    actor, engine = await started()
    await actor.transfer("start", {})
    packets = asyncio.ensure_future(actor.load_weights(1, []))
    await asyncio.sleep(0.05)
    assert not packets.done()
    await actor.transfer("finish", {"version": 1})
    assert await packets == 1
    await actor.start()
    assert ends == []
    await actor.transfer("start", {})
    await actor.start()  # its learner died in the transfer, and another one asks whether it is up
    assert ends == [1]
    engine.problem = RuntimeError("no such tensor")
    with pytest.raises(SyncError, match="at the step 'receive': no such tensor"):
        await actor.transfer("receive", {})
    await actor.close()
