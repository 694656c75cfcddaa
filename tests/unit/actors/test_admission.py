"""What goes out when, what makes a step, and where each group went: real admission, on a virtual clock."""

import asyncio
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest

from rayrl.actors.admission import Admission, CoordinatorState, StepBatch
from rayrl.actors.ledger import Ledger
from rayrl.actors.records import Records
from rayrl.config import GRPOConfig
from rayrl.config.deadlines import DeadlineSettings
from rayrl.data.order import PromptOrder
from rayrl.errors import RayrlError
from rayrl.types import Prompt, Rollout, RolloutGroup, Sampling
from tests.virtual_clock import run_virtually

P = 4
PROMPTS = [Prompt(f"p{n}", "", [n], {}) for n in range(1000)]
Learn = Callable[[int, StepBatch], None]


class InOrder(PromptOrder):
    """Position n is prompt n."""

    def __getitem__(self, position: int) -> int:
        return position


class SlowFleet:
    """Samples at the version that it holds, each prompt as long as `seconds` says, with or without a signal."""

    def __init__(self, seconds: Callable[[int], float], has_signal: Callable[[int], bool] = lambda _: True) -> None:
        self.seconds, self.has_signal = seconds, has_signal
        self.version, self.deadlines, self.records = 0, DeadlineSettings(), Records()
        self.sent: list[int] = []

    def together(self, count: int) -> list[None]:
        return [None] * count

    async def group(self, prompt: Prompt, sampling: Sampling, turn: Any = None) -> RolloutGroup:
        number, version = prompt.token_ids[0], self.version
        self.sent.append(number)
        await asyncio.sleep(self.seconds(number))
        rollout = Rollout("", [1], [0.0], [version], "stop")
        return RolloutGroup(prompt, [rollout] * 2, [1.0, 0.0 if self.has_signal(number) else 1.0])


def make(fleet: SlowFleet, **changes: Any) -> Admission:
    settings = {"model": {"path": "m"}, "train_data": {"source": "t"}, "rewards": [{"function": "maths"}]}
    settings |= {"steps": 12, "prompts_per_step": P, "group_size": 2} | changes
    admission = Admission(GRPOConfig.model_validate(settings), fleet)  # type: ignore[arg-type]
    admission.hold(PROMPTS)
    admission.order = InOrder(len(PROMPTS), 0)
    return admission


async def train(admission: Admission, steps: range, seconds: float = 1.0) -> dict[int, list[int]]:
    """A learner that takes `seconds` for a step; positions of each step."""
    admission.open = True
    admission.fleet.version = steps.start
    admission.admit()
    taken = {}
    for step in steps:
        batch = await admission.batch(step)
        again = await admission.batch(step)
        assert [group.prompt for group in batch.groups] == [group.prompt for group in again.groups], "for each rank"
        taken[step] = [group.prompt.token_ids[0] for group in batch.groups]
        versions = [version for group in batch.groups for r in group.rollouts for version in r.policy_versions]
        assert min(versions) >= step - admission.staleness
        await asyncio.sleep(seconds)
        admission.fleet.version = step + 1
        admission.admit()
    return taken


def test_a_slow_group_holds_up_no_step_until_the_next_would_be_too_late() -> None:
    fleet = SlowFleet(lambda number: 100.0 if number == 1 else 1 + number / 1000)
    admission = make(fleet, max_staleness=3)

    async def main() -> tuple[dict[int, list[int]], float]:
        taken = await train(admission, range(4))
        return taken, asyncio.get_running_loop().time()

    taken, seconds = run_virtually(main())
    assert taken == {0: [0, 2, 3, 4], 1: [5, 6, 7, 8], 2: [9, 10, 11, 12], 3: [1, 13, 14, 15]}
    assert seconds == pytest.approx(101, abs=1), "step 3 waits for what was sent out at version 0"


def test_dropped_it_holds_up_none_and_is_counted_and_replaced() -> None:
    fleet = SlowFleet(lambda number: 9.5 if number == 1 else 1.0)
    admission = make(fleet, max_staleness=1, stale_groups="drop")

    async def main() -> tuple[dict[int, list[int]], dict[str, int]]:
        taken = await train(admission, range(11))
        return taken, (await admission.batch(11)).ledger

    taken, books = run_virtually(main())
    assert 1 not in [at for positions in taken.values() for at in positions]
    assert (books["groups/stale"], books["groups/trained"], books["groups/waiting"]) == (1, 48, 0)
    assert books["groups/sampled"] == 49
    assert max(fleet.sent) == 48, "one prompt more"


@pytest.mark.parametrize("seed", range(3))
def test_groups_without_signal_are_replaced_by_the_same_prompts_whatever_finishes_first(seed: int) -> None:
    delays = random.Random(seed)
    fleet = SlowFleet(lambda _: delays.uniform(0.1, 5), lambda number: number % 3 > 0)
    admission = make(fleet, dynamic_sampling=3)
    taken = run_virtually(train(admission, range(3)))
    assert taken == {0: [1, 2, 4, 5], 1: [7, 8, 10, 11], 2: [13, 14, 16, 17]}
    assert admission.ledger.no_signal == 6


def test_at_most_so_many_are_sampled_and_then_those_without_signal_are_taken() -> None:
    fleet = SlowFleet(lambda _: 1.0, lambda number: number > 100)
    admission = make(fleet, dynamic_sampling=1.5)
    taken = run_virtually(train(admission, range(2)))
    assert taken == {0: [2, 3, 4, 5], 1: [8, 9, 10, 11]}
    assert admission.ledger.no_signal == 4


@pytest.mark.parametrize("dynamic", [1.0, 2.0])
@pytest.mark.parametrize(("staleness", "stale"), [(0, "wait"), (1, "wait"), (1, "drop"), (4, "wait"), (4, "drop")])
@pytest.mark.parametrize("seed", range(4))
def test_each_group_is_trained_on_once_or_counted_also_over_restarts(
    staleness: int, stale: str, dynamic: float, seed: int
) -> None:
    """A run of 12 steps that is killed after 3 and 7, each time some steps after its checkpoint."""
    settings = {"max_staleness": staleness, "stale_groups": stale, "dynamic_sampling": dynamic}
    delays = random.Random(seed)
    fleet = SlowFleet(lambda _: delays.paretovariate(1.2), lambda number: number % 4 != seed)
    trained: dict[int, list[int]] = {}
    books: list[dict[str, int]] = []
    waiting: list[int] = []

    async def main() -> None:
        state = CoordinatorState(0)
        for first, checkpoint, death in ((0, 3, 5), (3, 7, 8), (7, 12, 12)):
            admission = make(fleet, **settings)
            await admission.restart(state)
            trained.update(await train(admission, range(first, checkpoint)))
            state = pickle.loads(pickle.dumps(admission.state(checkpoint)))
            if death < 12:
                await train(admission, range(checkpoint, death))
                await admission.restart(CoordinatorState(0))  # ends what is in flight
            else:
                books.append((await admission.batch(11)).ledger)
                waiting.append(len(admission._in_flight))

    run_virtually(main())
    positions = [at for step in trained.values() for at in step]
    assert len(positions) == len(set(positions)) == 12 * P, "none twice, none missing"
    [end] = books
    assert end["groups/trained"] == 12 * P
    assert end["groups/sampled"] == 12 * P + end["groups/no_signal"] + end["groups/stale"] + end["groups/waiting"]
    drawn = max(positions) + 1
    assert drawn <= 12 * P + end["groups/no_signal"] + end["groups/stale"] + waiting[0]
    if stale == "wait":
        assert end["groups/stale"] == 0
    if staleness == 0 and dynamic == 1:
        assert trained == {step: list(range(step * P, step * P + P)) for step in range(12)}


def test_a_state_within_a_step_gives_that_step_the_same_groups() -> None:
    delays = random.Random(0)
    fleet = SlowFleet(lambda _: delays.uniform(0.1, 5))
    admission = make(fleet, max_staleness=2)

    async def main() -> None:
        await train(admission, range(2))
        expected = await admission.batch(2)
        state = admission.state(2)
        await admission.restart(state)
        fleet.version = 2
        admission.open = True
        admission.admit()
        again = await admission.batch(2)
        assert [group.prompt.id for group in again.groups] == [group.prompt.id for group in expected.groups]

    run_virtually(main())


class Epochs(PromptOrder):
    """Eight prompts, again and again in the same order."""

    def __getitem__(self, position: int) -> int:
        return position % 8


@pytest.mark.parametrize("seed", range(3))
def test_prompts_that_gave_no_signal_come_less_often_and_the_same_ones_after_a_restart(seed: int) -> None:
    """Prompts 0 to 3 never give any: after the first epoch they are taken in about a quarter of their draws."""
    delays = random.Random(seed)
    fleet = SlowFleet(lambda _: delays.uniform(0.1, 5), lambda number: number > 3)
    settings = {"steps": 25, "difficulty_filter": 0.25}

    def admission() -> Admission:
        made = make(fleet, **settings)
        made.order = Epochs(8, 0)
        return made

    async def twice() -> tuple[dict[int, list[int]], dict[int, list[int]], int]:
        whole = admission()
        taken = await train(whole, range(25))
        first = admission()
        again = await train(first, range(10))
        state = pickle.loads(pickle.dumps(first.state(10)))
        second = admission()
        await second.restart(state)
        return taken, again | await train(second, range(10, 25)), whole.ledger.skipped

    taken, again, skipped = run_virtually(twice())
    assert taken == again
    drawn = [prompt for step in taken.values() for prompt in step]
    assert 0.1 < sum(prompt < 4 for prompt in drawn) / len(drawn) < 0.3
    assert skipped > 20


def test_a_rank_of_a_learner_that_died_takes_nothing_from_the_one_that_was_started_again() -> None:
    """It waits for a step ahead of the checkpoint: what comes back for an earlier one is not its own."""
    fleet = SlowFleet(lambda _: 1.0)
    admission = make(fleet)

    async def main() -> None:
        await train(admission, range(2))
        state = admission.state(2)
        await train(admission, range(2, 5))
        dead = asyncio.ensure_future(admission.batch(5))
        await asyncio.sleep(0.1)
        await admission.restart(state)
        taken = await train(admission, range(2, 5))
        assert taken == {step: list(range(step * P, step * P + P)) for step in (2, 3, 4)}
        with pytest.raises(RayrlError, match="step 6 was started again"):
            await dead

    run_virtually(main())


def test_books_that_do_not_balance_end_the_run() -> None:
    Ledger(sampled=9, no_signal=1, stale=1).require_balance(trained=4, waiting=3)
    with pytest.raises(RayrlError, match="9 sampled, but 4 trained on, 1 without signal, 1 too old and 2 waiting"):
        Ledger(sampled=9, no_signal=1, stale=1).require_balance(trained=4, waiting=2)
