"""The coordinator: which prompt goes out when, and what comes back as finished groups.

It owns the position in the prompt stream, admission by staleness, the buffer of finished groups and the version of
the weights that generators hold. It computes nothing: generators sample, verifiers score, the learner learns.
"""

import asyncio
import pickle
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError, RayTaskError

from rayrl.actors.generator import RestartedError
from rayrl.actors.records import Records
from rayrl.actors.replicas import Replicas
from rayrl.actors.waiting import expect, original
from rayrl.config import EvaluationSet, GRPOConfig, SFTConfig
from rayrl.data.order import PromptOrder
from rayrl.errors import RayrlError, SyncError
from rayrl.rollout_row import EvaluationRow, evaluation_row
from rayrl.types import Prompt, Rollout, RolloutGroup, Sampling

LOST = (RayActorError, RestartedError)


@dataclass(slots=True)
class StepClock:
    """When the groups of one step were sent out, sampled and scored, in seconds of time.monotonic()."""

    first_sent: float
    last_sampled: float = 0.0
    last_scored: float = 0.0


@dataclass(slots=True)
class StepBatch:
    """The P groups of one step, in stream order, and what they cost."""

    groups: list[RolloutGroup]
    generate_s: float
    verify_s: float


@dataclass(slots=True)
class CoordinatorState:
    """What a checkpoint holds: the step to go on with, and groups that were finished ahead of it by position."""

    next_step: int
    finished: dict[int, RolloutGroup] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptSets:
    """What is trained on, and each set that is evaluated, by name."""

    train: list[Prompt]
    evaluated: dict[str, list[Prompt]]


class Coordinator:
    """An async actor, started again by Ray when it dies, and restored by the learner.

    Step s takes stream positions [s P, (s+1) P) and is trained on policy version s.
    """

    def __init__(
        self,
        config: GRPOConfig | SFTConfig,
        generators: list[Any],
        verifiers: list[Any],
    ) -> None:
        self.config = config
        self.deadline_s = config.run.deadline_s
        self.generators = Replicas(generators, config.generator.max_concurrent_prompts, self._revive)
        self.verifiers = Replicas(verifiers, 4 * config.verifier.processes_per_actor, _nothing)
        self.hold(PromptSets([], {}))
        self.records = Records()
        self.version = 0
        self.base: list[Any] = []  # packets that a generator needs before the first of the newest, `packets`
        self.packets: list[Any] = []
        self.failure: BaseException | None = None
        self.open = False  # admission: closed until restore(), and while an evaluation runs
        self.position = 0
        self.finished: dict[int, RolloutGroup] = {}
        self.clocks: dict[int, StepClock] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.changed = asyncio.Condition()

    # -- the learner's side ----------------------------------------------------------------------------------------

    def hold(self, prompts: PromptSets) -> None:
        """Takes the prompts, before anything else is asked for."""
        self.train_prompts, self.evaluated = prompts.train, prompts.evaluated
        self.order = PromptOrder(len(prompts.train), self.config.run.seed)

    async def restore(self, state: CoordinatorState, prompts: PromptSets) -> None:
        """Starts, or starts again, at a step: whatever was in flight is dropped and drawn again from the stream.

        Raises:
            RayrlError: A generator or verifier did not start.
        """
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self.clocks.clear()
        self.hold(prompts)
        self.finished = dict(state.finished)
        self.position = state.next_step * self.config.prompts_per_step
        self.version = state.next_step
        await self._ready()

    async def state(self, next_step: int) -> CoordinatorState:
        """What `restore` needs to go on with `next_step`; given once the driver has written down all that came before.

        So a run that is killed after a checkpoint misses no record of the steps before it.
        """
        want = len(self.records)

        async def written() -> None:
            while self.records.written < want:
                await asyncio.sleep(0.05)

        await expect(written(), "the driver to write down the records", self.deadline_s)
        first = next_step * self.config.prompts_per_step
        return CoordinatorState(next_step, {at: group for at, group in self.finished.items() if at >= first})

    async def start(self) -> None:
        """Opens admission."""
        self.open = True
        self._admit()

    async def batch(self, step: int) -> StepBatch:
        """Waits for the groups of a step. They stay until the next step is asked for, so that every rank gets them.

        Raises:
            RayrlError: What made a generator or verifier fail.
            DeadlineError: They were not complete in time.
        """
        first = step * self.config.prompts_per_step
        wanted = range(first, first + self.config.prompts_per_step)

        async def complete() -> None:
            async with self.changed:
                await self.changed.wait_for(lambda: self.failure or all(at in self.finished for at in wanted))

        await expect(complete(), f"the {len(wanted)} groups of step {step + 1}", self.deadline_s)
        if self.failure is not None:
            raise self.failure
        self.finished = {at: group for at, group in self.finished.items() if at >= first}
        self.clocks = {at: clock for at, clock in self.clocks.items() if at >= step}
        clock = self.clocks.get(step) or StepClock(0.0)
        groups = [self.finished[at] for at in wanted]
        return StepBatch(
            groups,
            generate_s=max(0.0, clock.last_sampled - clock.first_sent),
            verify_s=max(0.0, clock.last_scored - clock.last_sampled),
        )

    async def publish(self, version: int, packets: list[Any], base: Sequence[Any] = ()) -> None:
        """Gives new weights to every generator and admits the prompts that this allows.

        Args:
            version: Of the policy.
            packets: References to `Packet`s with all that differs between versions.
            base: References to others that stay as they are; sent once, and again to a generator that was restarted.

        Raises:
            SyncError: A generator does not hold them afterwards.
        """
        self.base = list(base) or self.base
        self.packets = packets
        self.version = version
        await asyncio.gather(*(self._push(generator, [*base, *packets]) for generator in self.generators.handles))
        self._admit()

    async def evaluate(self, step: int) -> dict[str, list[EvaluationRow]]:
        """One completion of each prompt of every evaluated set, scored: a row each, in order, by the set's name.

        No training prompt is admitted meanwhile. Each set has `run.deadline_s`.
        """
        was_open, self.open = self.open, False
        try:
            return {one.name: await self._evaluate(one) for one in self.config.evaluation_sets}
        finally:
            self.open = was_open
            self._admit()

    async def _evaluate(self, chosen: EvaluationSet) -> list[EvaluationRow]:
        prompts = self.evaluated[chosen.name]
        sampling = Sampling(chosen.temperature, chosen.top_p, chosen.max_tokens, seed=self.config.run.seed)
        done = 0

        async def one(prompt: Prompt) -> EvaluationRow:
            nonlocal done
            group = await self._group(prompt, sampling, benchmark=chosen.name)
            done += 1
            self.records.progress(f"evaluate {chosen.name}", done, len(prompts))
            return evaluation_row(group)

        rows = asyncio.gather(*map(one, prompts))
        return await expect(rows, f"the {len(prompts)} completions of {chosen.name}", self.deadline_s)

    async def log(self, record: dict[str, Any]) -> None:
        """Takes one record for metrics.jsonl."""
        self.records.add(record)

    async def phase(self, name: str, done: int = 0, total: int = 0) -> None:
        """What the learner is doing, for the progress view."""
        self.records.progress(name, done, total)

    # -- the judge's side ------------------------------------------------------------------------------------------

    async def generate(self, token_ids: list[int], sampling: Sampling) -> Rollout:
        """One completion by whichever generator is least busy; while that takes new weights, it waits.

        Raises:
            RayrlError: Generators died over it, or took too long.
        """
        rollouts: list[Rollout] = await self._call(
            self.generators, "a verdict", lambda h: h.generate.remote(token_ids, sampling)
        )
        return rollouts[0]

    # -- the driver's side -----------------------------------------------------------------------------------------

    async def poll(
        self, seen: int = 0, token: str = ""
    ) -> tuple[list[dict[str, Any]], str, dict[str, Any], BaseException | None]:
        """What `Records.after` gives, and what ended the run, if anything did."""
        return *self.records.after(seen, token), self.failure

    async def fail(self, error: BaseException) -> None:
        """Ends the run with an error that no restart would mend: `poll` tells the driver, which stops every process.

        It stays. A rank alone knows of it, while the others wait for that one in a collective; they must not be
        started again.
        """
        self.failure = self.failure or error
        async with self.changed:
            self.changed.notify_all()

    async def _ready(self) -> None:
        """Waits for generators and verifiers, which start while the learner does."""
        starts = [generator.start.remote() for generator in self.generators.handles]
        starts += [verifier.ping.remote() for verifier in self.verifiers.handles]
        try:
            await expect(asyncio.gather(*starts), "generators and verifiers to start", self.deadline_s)
        except RayrlError:
            raise
        except Exception as error:
            raise RayrlError(f"a generator or verifier did not start: {str(error)[-800:]}") from error

    # -- inside ----------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Sends out every prompt that staleness allows. One rule for all: step s may start at version s - staleness."""
        prompts = self.config.prompts_per_step
        last_step = min(self.version + self.config.max_staleness, self.config.steps - 1)
        while self.open and self.failure is None and self.position < (last_step + 1) * prompts:
            at = self.position
            self.position += 1
            if at in self.finished:
                continue
            self.clocks.setdefault(at // prompts, StepClock(time.monotonic()))
            task = asyncio.ensure_future(self._run(at))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _run(self, at: int) -> None:
        assert isinstance(self.config, GRPOConfig)  # SFT admits no prompts
        sampling = self.config.sampling
        drawn = Sampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            n=self.config.group_size,
            seed=self.order.sampling_seed(at),
        )
        step = at // self.config.prompts_per_step
        try:
            group = await self._group(self.train_prompts[self.order[at]], drawn, self.clocks[step])
        except asyncio.CancelledError:
            raise
        except ObjectLostError:
            return  # the learner that holds the newest weights died; started again, it restores, and this is drawn anew
        except Exception as error:
            await self.fail(original(error))
            return
        async with self.changed:
            self.finished[at] = group
            self.changed.notify_all()
        first = step * self.config.prompts_per_step
        done = sum(position in self.finished for position in range(first, first + self.config.prompts_per_step))
        self.records.progress("generate", done, self.config.prompts_per_step)

    async def _group(
        self, prompt: Prompt, sampling: Sampling, clock: StepClock | None = None, benchmark: str = ""
    ) -> RolloutGroup:
        clock = clock or StepClock(0.0)
        started = time.monotonic()
        rollouts = await self._call(
            self.generators, f"completions of {prompt.id}", lambda h: h.generate.remote(prompt.token_ids, sampling)
        )
        sampled = clock.last_sampled = time.monotonic()
        texts, lengths = [rollout.text for rollout in rollouts], [len(rollout.token_ids) for rollout in rollouts]
        scored = await self._call(
            self.verifiers,
            f"verdicts on {prompt.id}",
            lambda h: h.score.remote(prompt.columns, texts, lengths, benchmark),
        )
        clock.last_scored = time.monotonic()
        for problem in scored.problems:
            self.records.add({"kind": "event", "event": "no_reward", "detail": f"{prompt.id}: {problem}"[:300]})
        return RolloutGroup(
            prompt,
            rollouts,
            scored.rewards,
            scored.parts,
            scored.verdicts,
            generate_s=sampled - started,
            verify_s=clock.last_scored - sampled,
        )

    async def _call(self, replicas: Replicas, what: str, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """Calls the least busy replica; one that dies is revived and the call made again, on it or another."""
        for attempt in range(3):
            async with replicas.least_busy() as handle:
                try:
                    return await expect(call(handle), what, self.deadline_s)
                except LOST as error:
                    self.records.add({"kind": "event", "event": "actor_lost", "detail": f"{what}: {error}"[:300]})
                    if attempt == 2:
                        raise RayrlError(f"lost an actor three times while waiting for {what}: {error}") from error
                    await expect(replicas.revive(handle), f"the restart of an actor for {what}", self.deadline_s)
        raise AssertionError("unreachable")

    async def _revive(self, generator: Any) -> None:
        """A generator that Ray restarted holds the base weights: it gets the newest. Callers have the deadline."""
        while True:
            try:
                await generator.start.remote()
                await self._load(generator, [*self.base, *self.packets])
                return
            except LOST:
                await asyncio.sleep(0.5)

    async def _push(self, generator: Any, packets: list[Any]) -> None:
        what = f"a generator to load weights of version {self.version}"
        try:
            await expect(self._load(generator, packets), what, self.deadline_s)
        except LOST as error:
            self.records.add({"kind": "event", "event": "actor_lost", "detail": f"{what}: {error}"[:300]})
            await expect(self.generators.revive(generator), what, self.deadline_s)

    async def _load(self, generator: Any, packets: list[Any]) -> None:
        if not packets:
            return
        try:
            held = await generator.load_weights.remote(self.version, packets)
        except RayTaskError as error:
            raise original(error) from error
        if held != self.version:
            raise SyncError(f"weight sync: a generator holds version {held} after version {self.version} was sent")


class CoordinatorActor(Coordinator):
    """The coordinator on Ray. `replicas` are (generators, verifiers), pickled: of handles among the arguments Ray warns
    at every start that they may be lost before the actor is started again."""

    def __init__(self, config: GRPOConfig | SFTConfig, replicas: bytes) -> None:
        super().__init__(config, *pickle.loads(replicas))


async def _nothing(handle: Any) -> None:
    await handle.ping.remote()
