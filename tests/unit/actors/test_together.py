"""What starts together: which calls, on which generator, in which order."""

import asyncio

import pytest

from rayrl.actors.admission import CoordinatorState
from rayrl.actors.coordinator import Coordinator
from rayrl.config import GRPOConfig
from tests.unit.actors.test_coordinator import PROMPTS, Generator, Verifier, make


def two_generators(**changes: object) -> tuple[Coordinator, list[Generator]]:
    coordinator, *_ = make(**changes)
    generators = [Generator(), Generator()]
    assert isinstance(coordinator.config, GRPOConfig)
    both = Coordinator(coordinator.config, generators, [Verifier()])
    both.hold(PROMPTS)
    return both, generators


async def test_generators_wait_for_all_of_a_step_before_the_first_is_asked_for() -> None:
    coordinator, generators = two_generators(prompts_per_step=5)
    waiting = asyncio.Event()

    for generator in generators:

        async def hold(count: int, own: Generator = generator) -> None:
            own.holds.append(count)
            await waiting.wait()

        generator.hold.remote = hold
    await coordinator.start()
    await asyncio.sleep(0.05)
    assert [generator.holds for generator in generators] == [[3], [2]]
    assert not any(generator.calls for generator in generators), "one would start alone"
    waiting.set()
    await coordinator.batch(0)
    order = coordinator.admission.order
    for first, generator in enumerate(generators):
        places = sorted((sampling.priority, prompt) for prompt, sampling in generator.calls)
        assert places == [(at, order[at]) for at in range(first, 5, 2)], "in stream order, one here and one there"


async def test_the_same_generator_is_asked_however_busy_it_is() -> None:
    coordinator, generators = two_generators(generator={"max_concurrent_prompts": 1})
    generators[0].delay_s = lambda prompt: 0.05
    await coordinator.start()
    await coordinator.batch(0)
    assert [len(generator.calls) for generator in generators] == [2, 2]


async def test_a_generator_that_died_holds_nothing_and_its_calls_are_made_again() -> None:
    coordinator, generators = two_generators()
    generators[0].alive = False
    await coordinator.start()
    batch = await coordinator.batch(0)
    assert len(batch.groups) == 4
    assert generators[0].started == 1


async def test_with_staleness_nothing_waits() -> None:
    coordinator, generator, _ = make(max_staleness=1)
    await coordinator.start()
    await coordinator.batch(0)
    assert generator.holds == []
    assert {sampling.priority for _, sampling in generator.calls} == {0}


@pytest.mark.parametrize(("staleness", "beside"), [(0, False), (1, True)])
async def test_an_evaluation_starts_when_what_it_would_be_computed_beside_is_there(
    staleness: int, beside: bool
) -> None:
    coordinator, generator, _ = make(max_staleness=staleness)
    await coordinator.restore(CoordinatorState(0), PROMPTS)
    generator.delay_s = lambda prompt: 0.1
    await coordinator.start()
    await asyncio.sleep(0.02)
    asked = len(generator.calls)
    evaluation = asyncio.ensure_future(coordinator.evaluate())
    await asyncio.sleep(0.02)
    assert (len(generator.calls) > asked) == beside
    assert len((await evaluation)["held_out"]) == 3
    assert 3 in generator.holds
