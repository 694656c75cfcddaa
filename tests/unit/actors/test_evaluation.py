"""Samples of evaluated items: which seed each has, whatever happens beside it."""

from dataclasses import replace

import pytest

from rayrl.errors import DeadlineError
from rayrl.types import Sampling
from tests.unit.actors.test_coordinator import ALL, make

SEVERAL = {"evaluation": {"temperature": 0.6, "top_p": 0.95, "max_tokens": 9, "samples": 3}}


async def seeds(**changes: object) -> tuple[list[tuple[str, int]], dict[tuple[int, int], Sampling]]:
    """(item and sample of each row, in order; what was asked of the generator, by item and call)"""
    coordinator, generator, _ = make(**changes)
    generator.delay_s = lambda prompt: 0.02 * (3 - prompt)  # the last item is the first to be done
    rows = (await coordinator.evaluate())["held_out"]
    asked: dict[tuple[int, int], Sampling] = {}
    for item, sampling in generator.calls:
        asked[item, sum(other == item for other, _ in asked)] = replace(sampling, priority=0)
    return [(row["prompt_id"], row["sample"]) for row in rows], asked


async def test_each_sample_of_each_item_has_a_seed_of_its_own_and_always_the_same() -> None:
    order, asked = await seeds(**SEVERAL)
    assert order == [(prompt.id, sample) for prompt in ALL[:3] for sample in range(3)]
    assert {(one.temperature, one.top_p, one.max_tokens, one.n) for one in asked.values()} == {(0.6, 0.95, 9, 1)}
    assert len({one.seed for one in asked.values()}) == 9
    _, again = await seeds(**SEVERAL, generator={"max_concurrent_prompts": 1})
    assert again == asked
    _, other = await seeds(**SEVERAL, run={"seed": 7})
    assert not {one.seed for one in other.values()} & {one.seed for one in asked.values()}


async def test_more_samples_begin_with_those_that_fewer_have() -> None:
    _, asked = await seeds(**SEVERAL)
    _, fewer = await seeds(evaluation=SEVERAL["evaluation"] | {"samples": 2})
    assert fewer.items() <= asked.items()


async def test_one_sample_an_item_has_the_seed_of_the_run() -> None:
    order, asked = await seeds(run={"seed": 7})
    assert order == [(prompt.id, 0) for prompt in ALL[:3]]
    assert [one.seed for one in asked.values()] == [7, 7, 7]


async def test_a_set_may_take_longer_than_the_deadline_while_its_samples_come() -> None:
    coordinator, generator, _ = make(run={"deadlines": {"evaluation_s": 0.3}})
    generator.delay_s = lambda prompt: 0.2 * (prompt + 1)
    assert len((await coordinator.evaluate())["held_out"]) == 3
    generator.delay_s = lambda prompt: 60.0
    with pytest.raises(DeadlineError, match=r"waited 0\.3 s for more of the 3 completions .*\.evaluation_s"):
        await coordinator.evaluate()
