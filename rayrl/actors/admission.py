"""Which training prompt goes out when, and which groups that come back make a step.

Prompts go out in stream order. Step s is trained on policy version s, by P groups that were sent out at version
s - `max_staleness` or later. Those that come back first make the step, but what would be too old for the next one comes
along, or is replaced (`stale_groups`). Without staleness that leaves one choice: the P prompts sent out at version s.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from ray.exceptions import ObjectLostError

from rayrl.actors.deadlines import expect, original
from rayrl.actors.fleet import Fleet, Turn
from rayrl.actors.ledger import Ledger
from rayrl.actors.records import Phase
from rayrl.config import EvalConfig, GRPOConfig, SFTConfig
from rayrl.data.order import PromptOrder
from rayrl.errors import RayrlError
from rayrl.types import Prompt, RolloutGroup, Sampling


@dataclass(slots=True)
class CoordinatorState:
    """What a checkpoint holds: the step to resume with, and what was drawn ahead of it."""

    next_step: int
    finished: dict[int, RolloutGroup] = field(default_factory=dict)
    """By stream position, in the order in which steps take them."""
    in_flight: list[int] = field(default_factory=list)
    """Positions that were sent out and not back: they go out again, first."""
    position: int | None = None
    """The next to be drawn. None: what follows `next_step` steps."""
    ledger: Ledger = field(default_factory=Ledger)
    flat: frozenset[int] = frozenset()
    """Prompts, by index, whose completions all earned the same the last time."""
    evaluation_due: bool = False
    """The evaluation after step `next_step` was not recorded yet."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When a group was sent out, sampled and scored, in seconds of time.monotonic()."""

    sent: float
    sampled: float
    scored: float


@dataclass(frozen=True, slots=True, eq=False)
class StepBatch:
    """The P groups of one step, in stream order, what they cost, and the books so far."""

    groups: list[RolloutGroup]
    generate_s: float
    verify_s: float
    ledger: dict[str, int] = field(default_factory=dict)


class Admission:
    """The position in the prompt stream, what staleness admits of it, and the buffer of finished groups."""

    def __init__(self, config: GRPOConfig | SFTConfig | EvalConfig, fleet: Fleet) -> None:
        self.config, self.fleet = config, fleet
        self.size, self.staleness = config.prompts_per_step, config.max_staleness
        self.failure: BaseException | None = None
        self.open = False  # closed until the run starts
        self._pauses: list[None] = []  # one for each evaluation that runs
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._starts = 0  # of the learner: who waits since one before gets nothing
        self.hold([])
        self._begin(CoordinatorState(0))

    def hold(self, prompts: list[Prompt]) -> None:
        """Takes the prompts, before any is admitted."""
        self.prompts = prompts
        self.order = PromptOrder(len(prompts), self.config.run.seed)

    async def restart(self, state: CoordinatorState) -> None:
        """Goes back, or ahead, to a state: what is in flight is dropped, and drawn again from the stream.

        Closed until the run starts again: an evaluation of before may still run, and neither opens it nor holds it up.
        """
        self.open, self._pauses = False, []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        async with self._changed:
            self._begin(state)
            self._changed.notify_all()

    def _begin(self, state: CoordinatorState) -> None:
        self._starts += 1
        self.finished = dict(state.finished)  # that no step took, by position, in the order in which they came
        self.ledger = replace(state.ledger)
        self._flat = set(state.flat)
        self._step = state.next_step  # the newest that a batch was asked for, or the first to come
        self._taken: dict[int, dict[int, RolloutGroup]] = {}  # by step: each rank gets them
        self._batches: dict[int, StepBatch] = {}  # the newest
        self._in_flight: dict[int, int] = {}  # version at which each position was sent out
        self._sent: Counter[int] = Counter()  # those in flight by this version
        self._clocks: dict[int, Clock] = {}
        self._replacements = self.config.replacements  # left of this step, for groups without signal
        self._again = list(state.in_flight)
        self._position = state.next_step * self.size if state.position is None else state.position
        if state.position is None:
            self.ledger.sampled = self._position + len(self.finished)

    def state(self, next_step: int) -> CoordinatorState:
        """To resume with this step: it gets the same groups, as far as they have come."""
        kept: dict[int, RolloutGroup] = {}
        for step in sorted(self._taken):
            if step >= next_step:
                kept |= self._taken[step]
        kept |= self.finished
        waiting = sorted({*self._in_flight, *self._again})
        return CoordinatorState(next_step, kept, waiting, self._position, replace(self.ledger), frozenset(self._flat))

    def admit(self) -> None:
        """Sends out every prompt that staleness allows: (version + staleness + 1) P of all, and one more for each group
        that was replaced."""
        steps = min(self.fleet.version + self.staleness + 1, self.config.steps)
        end = steps * self.size + self.ledger.replaced
        if not self.open or self._pauses or self.failure is not None:
            return
        positions, self._again = self._again, []
        while self._position - self.ledger.skipped < end:
            if self._is_taken(self._position):
                positions.append(self._position)
            else:
                self.ledger.skipped += 1
            self._position += 1
        if not positions:
            return
        turns = [None] * len(positions) if self.staleness else self.fleet.together(len(positions))
        for at, turn in zip(positions, turns, strict=True):
            self._in_flight[at] = self.fleet.version
            self._sent[self.fleet.version] += 1
            task = asyncio.ensure_future(self._sample(at, turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_taken(self, at: int) -> bool:
        """Whether the prompt at a position is sampled; a pure function of the seed, the position and `_flat`."""
        share = self.config.difficulty_filter
        if share == 1 or self.order[at] not in self._flat:
            return True
        return random.Random(f"{self.config.run.seed}/{at}/difficulty").random() < share

    def _note_signal(self, prompt: int, group: RolloutGroup) -> None:
        if _has_signal(group):
            self._flat.discard(prompt)
        else:
            self._flat.add(prompt)

    @asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """No prompt is admitted within. Without staleness, those in flight come first: so what an evaluation computes
        together is the same in every run."""
        pauses = self._pauses
        pauses.append(None)
        try:
            if not self.staleness and self._tasks:
                await asyncio.wait(self._tasks, timeout=self.fleet.deadlines.step_s)  # `batch` says what did not come
            yield
        finally:
            pauses.pop()
            self.admit()

    async def batch(self, step: int) -> StepBatch:
        """As `Coordinator.batch`."""
        start = self._starts
        self._step = max(self._step, step)
        self._replace(self.finished)

        def is_over() -> bool:
            return self.failure is not None or self._starts != start or step in self._taken or self._is_complete(step)

        async def settled() -> None:
            async with self._changed:
                await self._changed.wait_for(is_over)

        await expect(settled(), f"the {self.size} groups of step {step + 1}", self.fleet.deadlines.step)
        if self.failure is not None:
            raise self.failure
        if self._starts != start:
            raise RayrlError(f"the learner that asked for step {step + 1} was started again since")
        if step not in self._taken:
            self._take(step)
        if step not in self._batches:
            self._batches = {step: self._batch_of(step)}
        return self._batches[step]

    def _batch_of(self, step: int) -> StepBatch:
        groups = list(self._taken[step].values())
        clocks = [self._clocks[at] for at in self._taken[step] if at in self._clocks]
        sent = min((clock.sent for clock in clocks), default=0.0)
        sampled = max((clock.sampled for clock in clocks), default=0.0)
        scored = max((clock.scored for clock in clocks), default=0.0)
        figures = self.ledger.figures((step + 1) * self.size)
        return StepBatch(groups, max(0.0, sampled - sent), max(0.0, scored - sampled), figures)

    async def fail(self, error: BaseException) -> None:
        """Ends the run with the first error that no restart would mend; it stays."""
        self.failure = self.failure or error
        async with self._changed:
            self._changed.notify_all()

    # -- what makes a step ---------------------------------------------------------------------------------------------

    def _is_complete(self, step: int) -> bool:
        """Whether enough has come for the step, and nothing is on its way that would be too old for the next."""
        late = self.config.stale_groups == "wait" and any(version <= step - self.staleness for version in self._sent)
        return not late and len(self.finished) >= self.size

    def _take(self, step: int) -> None:
        """Settles which groups make the step: the oldest, of those the ones that came first. Steps before it are over:
        every rank has taken part in their update."""
        for over in [earlier for earlier in self._taken if earlier < step]:
            for at in self._taken.pop(over):
                self._clocks.pop(at, None)
        self.ledger.require_balance(min([step, *self._taken]) * self.size, len(self.finished) + self._held())
        oldest = sorted(self.finished, key=lambda at: _oldest_version(self.finished[at]))
        self._taken[step] = {at: self.finished.pop(at) for at in sorted(oldest[: self.size])}
        self._replacements = self.config.replacements

    def _held(self) -> int:
        """Groups of steps that are not over."""
        return sum(map(len, self._taken.values()))

    def _replace(self, candidates: Iterable[int]) -> None:
        """Draws other prompts for groups that are too old, and for those without signal. Of the latter, without
        staleness, once all are back: so the same ones are replaced whatever finishes first."""
        stale: list[int] = []
        if self.config.stale_groups == "drop":
            oldest = self._step - self.staleness
            stale = [at for at in candidates if _oldest_version(self.finished[at]) < oldest]
        flat: list[int] = []
        if self._replacements and (self.staleness or not self._in_flight):
            among = candidates if self.staleness else self.finished
            flat = sorted(at for at in among if at not in stale and not _has_signal(self.finished[at]))
            flat = flat[: self._replacements]
        if not stale and not flat:
            return
        self._replacements -= len(flat)
        self.ledger.stale += len(stale)
        self.ledger.no_signal += len(flat)
        for at in [*stale, *flat]:
            del self.finished[at]
            self._clocks.pop(at, None)
        self.admit()

    async def _sample(self, at: int, turn: Turn | None) -> None:
        assert isinstance(self.config, GRPOConfig)  # SFT admits no prompts
        settings = self.config.sampling
        sampling = Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            n=self.config.group_size,
            seed=self.order.sampling_seed(at),
        )
        sent = time.monotonic()
        try:
            group = await self.fleet.group(self.prompts[self.order[at]], sampling, turn=turn)
        except ObjectLostError:
            return  # the learner that holds the newest weights died; restarted, it restores, and this is drawn again
        except Exception as error:
            await self.fail(original(error))
            return
        scored = time.monotonic()
        async with self._changed:
            self.finished[at] = group
            self._note_signal(self.order[at], group)
            self._clocks[at] = Clock(sent, scored - group.verify_s, scored)
            self.ledger.sampled += 1
            self._sent -= Counter([self._in_flight.pop(at)])
            self._replace([at])
            self._changed.notify_all()
        self.fleet.records.phase = Phase("generate", min(len(self.finished), self.size), self.size)


def _oldest_version(group: RolloutGroup) -> int:
    """Of the policies that sampled it."""
    sampled = (rollout.policy_versions for rollout in group.rollouts)
    return min((int(versions.min()) for versions in sampled if len(versions)), default=0)


def _has_signal(group: RolloutGroup) -> bool:
    """Whether its completions earned different rewards."""
    return len({reward for reward in group.rewards if reward is not None}) > 1
