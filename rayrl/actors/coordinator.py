"""The coordinator: one actor between the learner's ranks, the driver, and the actors that sample and score.

It computes nothing. What it answers is kept by its parts: `Admission` (which prompt goes out when), `Fleet` (calls of
generators and verifiers), `Records` (what the driver is to write down).
"""

import asyncio
import pickle
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import ray

from rayrl.actors.admission import Admission, CoordinatorState, StepBatch
from rayrl.actors.deadlines import expect
from rayrl.actors.evaluation import draw, evaluate_set
from rayrl.actors.fleet import Fleet
from rayrl.actors.generator import RestartedError
from rayrl.actors.harness import Harness, HarnessResult
from rayrl.actors.records import News, Phase, Records
from rayrl.config import EvalConfig, GRPOConfig, SFTConfig
from rayrl.generate.engine import TransferStep
from rayrl.jsonl import Record
from rayrl.rollout_row import EvaluationRow
from rayrl.types import Prompt, Rollout, Sampling

P = ParamSpec("P")
T = TypeVar("T")
Asked = Callable[Concatenate["Coordinator", P], Coroutine[Any, Any, T]]


def restored(method: Asked[P, T]) -> Asked[P, T]:
    """A call that only a coordinator with prompts can answer; one that Ray restarted raises RestartedError.

    Who had no call in flight when it died learns of it so, and starts again from the newest checkpoint.
    """

    @wraps(method)
    async def checked(self: "Coordinator", /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not self.holds_prompts:
            raise RestartedError("the coordinator was restarted, and no learner has restored it yet")
        return await method(self, *args, **kwargs)

    return checked


@dataclass(frozen=True, slots=True)
class PromptSets:
    """What is trained on, and each set that is evaluated, by name."""

    train: list[Prompt]
    evaluated: dict[str, list[Prompt]]


class Coordinator:
    """An async actor, restarted by Ray when it dies, and restored by the learner."""

    def __init__(
        self, config: GRPOConfig | SFTConfig | EvalConfig, generators: list[Any], verifiers: list[Any]
    ) -> None:
        self.config = config
        self.records = Records()
        self.fleet = Fleet(config, generators, verifiers, self.records)
        self.admission = Admission(config, self.fleet)
        self.harness = Harness(config, self.fleet)
        self.evaluated: dict[str, list[Prompt]] = {}
        self.holds_prompts = False

    # -- the learner's side ----------------------------------------------------------------------------------------

    def hold(self, prompts: PromptSets) -> None:
        """Takes the prompts, before anything else is asked for."""
        self.admission.hold(prompts.train)
        self.evaluated = prompts.evaluated
        self.holds_prompts = True

    async def restore(
        self, state: CoordinatorState, prompts: PromptSets, generators: Sequence[Any] | None = None
    ) -> None:
        """Starts at a step, the first time or again: what was in flight is dropped and drawn again from the stream.

        generators: those that the learner's ranks have brought; None: the run's own.

        Raises:
            RayrlError: A generator or verifier did not start.
        """
        await self.admission.restart(state)
        self.hold(prompts)
        if generators is not None:
            self.fleet.take(list(generators))
        self.fleet.version = state.next_step
        await self.fleet.ready()

    @restored
    async def state(self, next_step: int) -> CoordinatorState:
        """What `restore` needs to resume with `next_step`; given once the driver has written down all that came before.

        So a run that is killed after a checkpoint misses no record of the steps before it.
        """
        want = len(self.records)

        async def written() -> None:
            while self.records.written < want:
                await asyncio.sleep(0.05)

        await expect(written(), "the driver to write down the records", self.config.run.deadlines.sync)
        return self.admission.state(next_step)

    @restored
    async def start(self) -> None:
        """Opens admission."""
        self.admission.open = True
        self.admission.admit()

    @restored
    async def batch(self, step: int) -> StepBatch:
        """Waits for the groups of a step. They stay until the next step is asked for, so that every rank gets them.

        Raises:
            RayrlError: What made a generator or verifier fail.
            DeadlineError: They were not complete in time.
        """
        return await self.admission.batch(step)

    @restored
    async def publish(self, version: int, packets: list[Any], base: Sequence[Any] = ()) -> None:
        """Gives new weights to every generator and admits the prompts that this allows.

        Args:
            version: Of the policy.
            packets: References to `Packet`s with all that differs between versions.
            base: References to others that stay as they are; sent once, and again to a generator that was restarted.

        Raises:
            SyncError: A generator does not hold them afterwards.
        """
        await self.fleet.publish(version, packets, base)
        self.admission.admit()

    @restored
    async def sleep(self) -> None:
        """As `Fleet.sleep`."""
        await self.fleet.sleep()

    @restored
    async def generators_hold_base(self) -> bool:
        """As `Fleet.hold_base`."""
        return await expect(self.fleet.hold_base(), "generators to tell their version", self.config.run.deadlines.sync)

    @restored
    async def prepare_transfer(self) -> bool:
        """As `Fleet.prepare_transfer`."""
        return await self.fleet.prepare_transfer()

    @restored
    async def transfer(self, step: TransferStep, fields: dict[str, Any]) -> None:
        """As `Fleet.transfer`; with the last step, the prompts that it allows are admitted.

        Where it fails the run ends, told here: the learner may wait in the collective for ever.
        """
        try:
            await self.fleet.transfer(step, fields)
        except Exception as error:
            await self.fail(error)
            raise
        if step == "finish":
            self.admission.admit()

    @restored
    async def keep(self, packets: list[Any]) -> None:
        """As `Fleet.keep`."""
        self.fleet.keep(packets)

    @restored
    async def evaluate(self) -> dict[str, list[EvaluationRow]]:
        """Every sample of each prompt of every evaluated set, scored: a row each, in order, by the set's name.

        No training prompt is admitted meanwhile. None may come for at most `run.deadlines.evaluation_s`.
        """
        seed = self.config.run.seed
        async with self.admission.pause():
            return {
                one.name: await evaluate_set(one, self.evaluated[one.name], seed, self.fleet)
                for one in self.config.evaluation_sets
            }

    async def evaluate_all(self) -> HarnessResult:
        """As `evaluate`, then the tasks of lm-evaluation-harness; raises as both."""
        sets = await self.evaluate()
        found = await self.evaluate_harness() if self.config.harness_tasks else HarnessResult({}, {})
        return HarnessResult(sets | found.rows, found.figures)

    @restored
    async def draw(self, name: str, index: int, sample: int) -> EvaluationRow:
        """One sample of a prompt of the set `name`, scored.

        Raises:
            RayrlError: What made a generator or verifier fail.
            DeadlineError: One did not answer.
        """
        chosen = next(one for one in self.config.evaluation_sets if one.name == name)
        return await draw(chosen, self.evaluated[name][index], sample, self.config.run.seed, self.fleet)

    @restored
    async def evaluate_harness(
        self, names: Sequence[str] | None = None, known: Mapping[str, Record] | None = None
    ) -> HarnessResult:
        """The benchmarks of these names that are tasks of lm-evaluation-harness, or all; meanwhile as in `evaluate`.

        known: as of `Harness.evaluate`.

        Raises:
            RayrlError: A task failed, or generators.
        """
        async with self.admission.pause():
            return await self.harness.evaluate(names, known)

    async def ping(self) -> None:
        """Answers that it is there."""

    @restored
    async def log(self, record: dict[str, Any]) -> None:
        """Takes one record for metrics.jsonl."""
        self.records.add(record)

    async def phase(self, name: str) -> None:
        """What the learner is doing, for the progress view."""
        self.records.phase = Phase(name)

    # -- the judge's side ------------------------------------------------------------------------------------------

    async def generate(self, token_ids: list[int], sampling: Sampling) -> Rollout:
        """One completion.

        Raises:
            RayrlError: Generators died over it, or took too long.
        """
        deadline = self.fleet.deadlines.step  # who asks has its own, and the better message
        return (await self.fleet.generate("a verdict", token_ids, sampling, deadline))[0]

    # -- the driver's side -----------------------------------------------------------------------------------------

    async def poll(self, seen: int = 0, token: str = "") -> News:
        """The records after the first `seen` (see `Records.after`), the phase, and what ended the run."""
        return News(self.records.after(seen, token), self.records.token, self.records.phase, self.admission.failure)

    async def fail(self, error: BaseException) -> None:
        """Ends the run with an error that no restart would mend: `poll` tells the driver, which stops every process.

        A rank alone knows of it, while the others wait for that one in a collective; they must not be restarted.
        """
        await self.admission.fail(error)


class CoordinatorActor(Coordinator):
    """The coordinator on Ray. `replicas` are (generators, verifiers), pickled: of handles among the arguments Ray warns
    at every start that they may be lost before the actor is restarted (github.com/ray-project/ray/issues/53727)."""

    def __init__(self, config: GRPOConfig | SFTConfig | EvalConfig, replicas: bytes) -> None:
        super().__init__(config, *pickle.loads(replicas))
        self._stored: dict[StepBatch, Any] = {}  # the newest, and a reference to it

    async def batch_reference(self, step: int) -> list[Any]:
        """As `batch`, but one reference in a list: all ranks read one copy, those of a machine in shared memory."""
        batch = await self.batch(step)
        if batch not in self._stored:
            self._stored = {batch: ray.put(batch)}
        return [self._stored[batch]]
