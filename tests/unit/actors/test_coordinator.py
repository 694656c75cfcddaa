"""The coordinator alone, on handles that are plain objects: admission, order, failures, revival, state."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, OwnerDiedError

from rayrl.actors.admission import Admission, CoordinatorState
from rayrl.actors.coordinator import Coordinator, CoordinatorActor, PromptSets
from rayrl.actors.generator import RestartedError
from rayrl.config import GRPOConfig
from rayrl.errors import DeadlineError, RayrlError, RewardError, SyncError
from rayrl.types import Prompt, Rollout, Sampling, Verdict
from rayrl.verify.rewards import ScoredGroup
from tests.fakes.deadlines import deadlines

ALL = [Prompt(f"p{n}", "", [n], {"question": n, "answer": n}) for n in range(10)]
PROMPTS = PromptSets(ALL, {"held_out": ALL[:3]})


class Method:
    """`handle.method.remote(...)` as a coroutine."""

    def __init__(self, function: Any) -> None:
        self.remote = function


class Generator:
    """Answers with its version; delays, dies or lies on demand."""

    def __init__(self) -> None:
        self.held = 0
        self.received: list[list[Any]] = []
        self.calls: list[tuple[int, Sampling]] = []
        self.deaths = 0
        self.alive = True
        self.started = 0
        self.delay_s = lambda prompt: 0.0
        self.generate = Method(self._generate)
        self.load_weights = Method(self._load)
        self.start = Method(self._start)
        self.hold = Method(self._hold)
        self.holds: list[int] = []
        self.sleep = Method(self._sleep)
        self.asleep = False

    async def _sleep(self) -> None:
        if not self.alive:
            raise ActorDiedError
        self.asleep = True

    async def _hold(self, count: int) -> None:
        if not self.alive:
            raise ActorDiedError
        self.holds.append(count)

    async def _generate(self, token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        self.calls.append((token_ids[0], sampling))
        await asyncio.sleep(self.delay_s(token_ids[0]))
        if self.deaths:
            self.deaths -= 1
            self.alive = False
        if not self.alive:
            raise ActorDiedError
        return [Rollout(str(token_ids[0]), [1, 2], [0.0, 0.0], [self.held] * 2, "stop") for _ in range(sampling.n)]

    async def _load(self, version: int, packets: list[Any]) -> int:
        if not self.alive:
            raise ActorDiedError
        self.held, self.asleep = version, False
        self.received.append(packets)
        return self.held

    async def _start(self) -> None:
        self.started += 1
        self.alive, self.asleep, self.held = True, False, 0


class Verifier:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.score = Method(self._score)
        self.ping = Method(self._ping)

    async def _score(
        self, columns: dict[str, Any], completions: list[str], lengths: list[int], benchmark: str
    ) -> ScoredGroup:
        if self.error:
            raise self.error
        ones = [1.0] * len(completions)
        return ScoredGroup(list(ones), {"maths": list(ones)}, [Verdict(1.0, "correct")] * len(completions))

    async def _ping(self) -> None:
        pass


def make(**changes: Any) -> tuple[Coordinator, Generator, Verifier]:
    settings: dict[str, Any] = {
        "run": {"deadlines": deadlines(2)},
        "model": {"path": "m"},
        "eval_data": {"source": "e"},
        "train_data": {"source": "reasoning_gym:chain_sum"},
        "rewards": [{"function": "maths"}],
        "steps": 5,
        "prompts_per_step": 4,
        "group_size": 2,
    }
    config = GRPOConfig.model_validate(settings | changes)
    generator, verifier = Generator(), Verifier()
    coordinator = Coordinator(config, [generator], [verifier])
    coordinator.hold(PROMPTS)
    return coordinator, generator, verifier


async def test_strictly_on_policy_a_step_goes_out_only_after_the_update_before_it() -> None:
    coordinator, generator, _ = make()
    await coordinator.start()
    batch = await coordinator.batch(0)
    await asyncio.sleep(0.05)
    assert len(generator.calls) == 4
    assert {version for group in batch.groups for r in group.rollouts for version in r.policy_versions} == {0}
    await coordinator.publish(1, ["packet"])
    batch = await coordinator.batch(1)
    assert len(generator.calls) == 8
    assert {version for group in batch.groups for r in group.rollouts for version in r.policy_versions} == {1}


async def test_all_ranks_are_told_of_one_copy_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []

    def put(value: Any) -> int:
        stored.append(value)
        return len(stored)

    monkeypatch.setattr("ray.put", put)
    config = make()[0].config
    coordinator = CoordinatorActor(config, pickle.dumps(([], [])))
    coordinator.fleet = make()[0].fleet
    coordinator.admission = Admission(config, coordinator.fleet)
    coordinator.hold(PROMPTS)
    await coordinator.start()
    assert await asyncio.gather(*(coordinator.batch_reference(0) for _ in range(3))) == [[1]] * 3
    await coordinator.publish(1, ["packet"])
    assert [await coordinator.batch_reference(1) for _ in range(3)] == [[2]] * 3
    assert [len(batch.groups) for batch in stored] == [4, 4]


async def test_staleness_one_sends_one_step_ahead_and_no_more() -> None:
    coordinator, generator, _ = make(max_staleness=1)
    await coordinator.start()
    await coordinator.batch(0)
    await asyncio.sleep(0.05)
    assert len(generator.calls) == 8
    await coordinator.publish(1, ["packet"])
    await coordinator.batch(1)
    await asyncio.sleep(0.05)
    assert len(generator.calls) == 12


async def test_groups_come_in_stream_order_whatever_finishes_first() -> None:
    coordinator, generator, _ = make()
    generator.delay_s = lambda prompt: 0.01 * (10 - prompt)
    await coordinator.start()
    batch = await coordinator.batch(0)
    assert [group.prompt.token_ids[0] for group in batch.groups] == [coordinator.admission.order[at] for at in range(4)]
    seeds = [sampling.seed for _, sampling in generator.calls]
    assert sorted(seeds) == sorted(coordinator.admission.order.sampling_seed(at) for at in range(4))


async def test_no_prompt_goes_out_after_the_last_step() -> None:
    coordinator, generator, _ = make(steps=2, max_staleness=3)
    await coordinator.start()
    await coordinator.batch(0)
    await coordinator.batch(1)
    await coordinator.publish(1, ["packet"])
    await asyncio.sleep(0.05)
    assert len(generator.calls) == 8


async def test_a_reward_that_raises_reaches_the_learner_as_it_was_raised() -> None:
    coordinator, _, verifier = make()
    verifier.error = RewardError("reward function 'x': no")
    await coordinator.start()
    with pytest.raises(RewardError, match="'x': no"):
        await coordinator.batch(0)


async def test_records_are_forgotten_once_written_and_still_counted() -> None:
    coordinator, _, _ = make()
    await coordinator.log({"kind": "step", "samples": ["long"]})
    await coordinator.log({"kind": "eval"})
    records, token, *_ = await coordinator.poll()
    again, *_ = await coordinator.poll(0, token)
    assert records == again, "told again until they are written down"
    await coordinator.log({"kind": "event"})
    later, *_ = await coordinator.poll(2, token)
    assert later == [{"kind": "event"}]
    assert len(coordinator.records) == 3
    assert coordinator.records._waiting == later
    await coordinator.poll(3, token)
    assert (await coordinator.state(1)).next_step == 1
    from_another, *_ = await coordinator.poll(7, "of a list before")
    assert from_another == []


async def test_a_coordinator_that_ray_restarted_answers_no_learner_before_one_restores_it() -> None:
    """A learner that trained when it died had no call in flight, and would wait for groups that nobody samples."""
    held, generator, verifier = make()
    coordinator = Coordinator(held.config, [generator], [verifier])
    calls: list[Callable[[], Any]] = [
        lambda: coordinator.publish(1, ["packet"]),
        lambda: coordinator.log({"kind": "step"}),
        lambda: coordinator.batch(1),
        lambda: coordinator.state(1),
        coordinator.start,
        coordinator.evaluate_all,
        lambda: coordinator.draw("held_out", 0, 0),
        coordinator.prepare_transfer,
        coordinator.sleep,
        lambda: coordinator.transfer("open", {}),
        lambda: coordinator.keep([]),
    ]
    for call in calls:
        with pytest.raises(RestartedError, match="no learner has restored it yet"):
            await call()
    assert (await coordinator.poll()).failure is None, "no restart mends that, and this one does"
    await coordinator.restore(CoordinatorState(1), PROMPTS)
    await coordinator.publish(1, ["packet"])
    await coordinator.start()
    assert len((await coordinator.batch(1)).groups) == 4


async def test_a_failure_is_told_with_the_records_and_no_restart_of_the_learner_clears_it() -> None:
    coordinator, _, verifier = make()
    verifier.error = RewardError("reward function 'x': no")
    await coordinator.start()
    with pytest.raises(RewardError):
        await coordinator.batch(0)
    await coordinator.fail(DeadlineError("later, and because of the first"))
    await coordinator.log({"kind": "event"})
    await coordinator.restore(CoordinatorState(0), PROMPTS)
    records, _, _, failure = await coordinator.poll()
    assert len(records) == 1
    assert isinstance(failure, RewardError)


async def test_groups_whose_generator_cannot_be_caught_up_because_the_learner_died_too_wait_for_its_return() -> None:
    coordinator, generator, _ = make()
    await coordinator.start()
    await coordinator.publish(0, ["packet"])
    await coordinator.batch(0)
    loads = generator.load_weights

    async def lost(version: int, packets: list[Any]) -> int:
        raise OwnerDiedError("", b"", "")

    generator.deaths = 1
    await coordinator.publish(1, ["packet"])
    generator.load_weights = Method(lost)
    await asyncio.sleep(0.1)
    generator.load_weights = loads
    await coordinator.restore(CoordinatorState(1), PROMPTS)
    await coordinator.publish(1, ["again"])
    await coordinator.start()
    batch = await coordinator.batch(1)
    assert len(batch.groups) == 4
    assert generator.held == 1


async def test_a_batch_that_does_not_come_names_what_was_waited_for() -> None:
    coordinator, generator, _ = make(run={"deadlines": {"step_s": 0.2}})
    generator.delay_s = lambda prompt: 60.0
    await coordinator.start()
    with pytest.raises(DeadlineError, match=r"waited 0.2 s for (.*step 1|completions of p.*); raise .*\.step_s"):
        await coordinator.batch(0)


async def test_a_generator_that_does_not_start_ends_the_run_with_its_own_words() -> None:
    coordinator, generator, _ = make()

    async def no_start() -> None:
        raise RuntimeError("no such accelerator")

    generator.start = Method(no_start)
    with pytest.raises(RayrlError, match="did not start: no such accelerator"):
        await coordinator.restore(CoordinatorState(0), PROMPTS)


async def test_a_dead_generator_is_started_again_with_the_newest_weights_and_nothing_is_lost() -> None:
    coordinator, generator, _ = make()
    await coordinator.start()
    await coordinator.publish(0, ["first"], ["base"])
    await coordinator.batch(0)
    generator.deaths = 1
    await coordinator.publish(1, ["packet"])
    batch = await coordinator.batch(1)
    assert generator.started == 1
    assert generator.received == [["base", "first"], ["packet"], ["base", "packet"]]
    assert generator.held == 1
    assert len({group.prompt.id for group in batch.groups}) == 4
    assert all(version == 1 for group in batch.groups for r in group.rollouts for version in r.policy_versions)
    records, *_ = await coordinator.poll()
    assert {record["event"] for record in records} == {"actor_lost"}


async def test_generators_that_come_with_ranks_sleep_until_they_are_sent_weights_and_one_that_died_starts_again() -> (
    None
):
    coordinator, apart, _ = make()
    brought = [Generator(), Generator()]
    await coordinator.restore(CoordinatorState(0), PROMPTS, brought)
    assert ([one.started for one in brought], apart.started) == ([1, 1], 0)
    await coordinator.publish(0, ["first"], ["base"])
    await coordinator.start()
    assert len((await coordinator.batch(0)).groups) == 4
    brought[1].alive = False
    await coordinator.sleep()
    assert [one.asleep for one in brought] == [True, False]
    await coordinator.publish(1, ["packet"])
    assert [(one.asleep, one.held, one.started) for one in brought] == [(False, 1, 1), (False, 1, 2)]
    assert brought[1].received == [["base", "first"], ["base", "packet"]]
    assert len((await coordinator.batch(1)).groups) == 4
    assert apart.calls == []
    records, *_ = await coordinator.poll()
    assert {record["event"] for record in records} == {"actor_lost"}


async def test_a_generator_that_keeps_the_old_version_is_named() -> None:
    coordinator, generator, _ = make()

    async def forgets(version: int, packets: list[Any]) -> int:
        return 0

    generator.load_weights = Method(forgets)
    with pytest.raises(SyncError, match="holds version 0 after version 1 was sent"):
        await coordinator.publish(1, ["packet"])


async def test_state_holds_what_was_finished_ahead_and_restore_does_not_sample_it_again() -> None:
    coordinator, _, _ = make(max_staleness=1)
    await coordinator.start()
    await coordinator.batch(0)
    await coordinator.batch(1)
    await coordinator.publish(1, ["packet"])
    await coordinator.log({"kind": "step"})
    saving = asyncio.ensure_future(coordinator.state(1))
    await asyncio.sleep(0.1)
    assert not saving.done(), "a state is given before its records are written down"
    records, token, *_ = await coordinator.poll()
    assert len(records) == 1
    await coordinator.poll(1, token)
    state = await saving
    assert sorted(state.finished) == list(range(4, 12)), "what staleness allowed ahead is kept too"

    other, other_generator, _ = make(max_staleness=1)
    await other.restore(state, PROMPTS)
    await other.publish(1, ["packet"])
    await other.start()
    batch = await other.batch(1)
    assert [group.prompt.id for group in batch.groups] == [state.finished[at].prompt.id for at in (4, 5, 6, 7)]
    await other.batch(2)
    assert other_generator.calls == []
    await other.publish(2, ["packet"])
    await other.batch(3)
    assert sorted(prompt for prompt, _ in other_generator.calls) == sorted(
        other.admission.order[at] for at in range(12, 16)
    )


async def test_restore_drops_what_is_in_flight() -> None:
    coordinator, generator, _ = make()
    generator.delay_s = lambda prompt: 5.0
    await coordinator.start()
    await asyncio.sleep(0.01)
    generator.delay_s = lambda prompt: 0.0
    await coordinator.restore(CoordinatorState(2), PROMPTS)
    await coordinator.start()
    batch = await coordinator.batch(2)
    assert [group.prompt.token_ids[0] for group in batch.groups] == [
        coordinator.admission.order[at] for at in range(8, 12)
    ]


async def test_evaluation_scores_every_held_out_prompt_and_holds_back_training_prompts() -> None:
    coordinator, generator, _ = make()
    rows = (await coordinator.evaluate())["held_out"]
    assert [row["prompt_id"] for row in rows] == ["p0", "p1", "p2"]
    assert all(row["score"] == 1.0 and row["status"] == "correct" for row in rows)
    assert all(sampling.temperature == 0 and sampling.n == 1 for _, sampling in generator.calls[:3])


async def test_an_evaluation_from_before_a_restart_lets_no_prompt_out_when_it_ends() -> None:
    coordinator, generator, _ = make()
    await coordinator.start()
    await coordinator.batch(0)
    generator.delay_s = lambda prompt: 0.2
    zombie = asyncio.ensure_future(coordinator.evaluate())
    await asyncio.sleep(0.05)
    before = len(generator.calls)
    await coordinator.restore(CoordinatorState(1), PROMPTS)
    await zombie
    await asyncio.sleep(0.05)
    assert len(generator.calls) == before, "generators do not hold version 1 yet"
    generator.delay_s = lambda prompt: 0.0
    await coordinator.publish(1, ["packet"])
    await coordinator.start()
    assert len((await coordinator.batch(1)).groups) == 4
    assert generator.held == 1


async def test_an_evaluation_from_before_a_restart_holds_nothing_back_after_it() -> None:
    coordinator, generator, _ = make()
    generator.delay_s = lambda prompt: 1.0
    zombie = asyncio.ensure_future(coordinator.evaluate())
    await asyncio.sleep(0.05)
    generator.delay_s = lambda prompt: 0.0
    await coordinator.restore(CoordinatorState(1), PROMPTS)
    await coordinator.start()
    assert len((await coordinator.batch(1)).groups) == 4
    assert not zombie.done()
    zombie.cancel()
