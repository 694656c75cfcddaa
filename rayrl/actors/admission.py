"""Which training prompt goes out when, and what comes back as the groups of a step.

Step s takes stream positions [s P, (s+1) P) and is trained on policy version s.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ray.exceptions import ObjectLostError

from rayrl.actors.deadlines import expect, original
from rayrl.actors.fleet import Fleet, Turn
from rayrl.actors.records import Phase
from rayrl.config import EvalConfig, GRPOConfig, SFTConfig
from rayrl.data.order import PromptOrder
from rayrl.types import Prompt, RolloutGroup, Sampling


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


class Admission:
    """The position in the prompt stream, what staleness admits of it, and the buffer of finished groups."""

    def __init__(self, config: GRPOConfig | SFTConfig | EvalConfig, fleet: Fleet) -> None:
        self.config, self.fleet = config, fleet
        self.failure: BaseException | None = None
        self.finished: dict[int, RolloutGroup] = {}  # by position
        self.open = False  # closed until the run starts
        self._pauses: list[None] = []  # one for each evaluation that runs
        self._position = 0
        self._clocks: dict[int, StepClock] = {}  # by step
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self.hold([])

    def hold(self, prompts: list[Prompt]) -> None:
        """Takes the prompts, before any is admitted."""
        self.prompts = prompts
        self.order = PromptOrder(len(prompts), self.config.run.seed)

    async def restart(self, step: int, finished: Mapping[int, RolloutGroup]) -> None:
        """Goes back, or ahead, to a step: what is in flight is dropped, and drawn again from the stream.

        Closed until the run starts again: an evaluation of before may still run, and neither opens it nor holds it up.
        """
        self.open, self._pauses = False, []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._clocks.clear()
        self.finished = dict(finished)
        self._position = self._first(step)

    def finished_from(self, step: int) -> dict[int, RolloutGroup]:
        """Groups of this step and later ones."""
        return {at: group for at, group in self.finished.items() if at >= self._first(step)}

    def admit(self) -> None:
        """Sends out every prompt that staleness allows. One rule for all: step s may start at version s - staleness."""
        last_step = min(self.fleet.version + self.config.max_staleness, self.config.steps - 1)
        end = self._first(last_step + 1)
        if not self.open or self._pauses or self.failure is not None or self._position >= end:
            return
        positions = [at for at in range(self._position, end) if at not in self.finished]
        self._position = end
        turns = [None] * len(positions) if self.config.max_staleness else self.fleet.together(len(positions))
        for at, turn in zip(positions, turns, strict=True):
            clock = self._clocks.setdefault(at // self.config.prompts_per_step, StepClock(time.monotonic()))
            task = asyncio.ensure_future(self._sample(at, clock, turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """No prompt is admitted within. Without staleness, those in flight come first: so what an evaluation computes
        together is the same in every run."""
        pauses = self._pauses
        pauses.append(None)
        try:
            if not self.config.max_staleness and self._tasks:
                await asyncio.wait(self._tasks, timeout=self.fleet.deadline_s)  # `batch` says what did not come
            yield
        finally:
            pauses.pop()
            self.admit()

    async def batch(self, step: int) -> StepBatch:
        """As `Coordinator.batch`."""
        wanted = range(self._first(step), self._first(step + 1))

        async def complete() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: self.failure or all(at in self.finished for at in wanted))

        await expect(complete(), f"the {len(wanted)} groups of step {step + 1}", self.fleet.deadline_s)
        if self.failure is not None:
            raise self.failure
        self.finished = self.finished_from(step)
        self._clocks = {at: clock for at, clock in self._clocks.items() if at >= step}
        clock = self._clocks.get(step) or StepClock(0.0)
        return StepBatch(
            [self.finished[at] for at in wanted],
            generate_s=max(0.0, clock.last_sampled - clock.first_sent),
            verify_s=max(0.0, clock.last_scored - clock.last_sampled),
        )

    async def fail(self, error: BaseException) -> None:
        """Ends the run with the first error that no restart would mend; it stays."""
        self.failure = self.failure or error
        async with self._changed:
            self._changed.notify_all()

    async def _sample(self, at: int, clock: StepClock, turn: Turn | None) -> None:
        assert isinstance(self.config, GRPOConfig)  # SFT admits no prompts
        settings = self.config.sampling
        sampling = Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            n=self.config.group_size,
            seed=self.order.sampling_seed(at),
        )
        try:
            group = await self.fleet.group(self.prompts[self.order[at]], sampling, turn=turn)
        except ObjectLostError:
            return  # the learner that holds the newest weights died; restarted, it restores, and this is drawn again
        except Exception as error:
            await self.fail(original(error))
            return
        clock.last_scored = time.monotonic()
        clock.last_sampled = max(clock.last_sampled, clock.last_scored - group.verify_s)
        async with self._changed:
            self.finished[at] = group
            self._changed.notify_all()
        size = self.config.prompts_per_step
        first = at - at % size
        done = sum(position in self.finished for position in range(first, first + size))
        self.fleet.records.phase = Phase("generate", done, size)

    def _first(self, step: int) -> int:
        """The first position of a step."""
        return step * self.config.prompts_per_step
