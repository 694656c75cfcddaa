"""The loop that runs on every learner rank under Ray Train: take a batch, update, publish, report."""

import os
import time
from collections.abc import Iterable
from typing import Any

import ray
import ray.train
import torch
import torch.distributed as dist

from rayrl.actors.admission import CoordinatorState, StepBatch
from rayrl.actors.deadlines import fetch, watched
from rayrl.config import GRPOConfig, SFTConfig
from rayrl.errors import SyncError
from rayrl.learner.learner import Learner
from rayrl.learner.metrics import over_updates
from rayrl.train.base_distance import BaseDistance
from rayrl.train.checkpoints import Checkpoints
from rayrl.train.device import require_device_memory
from rayrl.train.entry import RankJob
from rayrl.train.evaluations import Evaluations
from rayrl.train.generators import generator_beside
from rayrl.train.grpo import Rollouts
from rayrl.train.run_directory import EXAMPLES
from rayrl.train.sft import Examples
from rayrl.train.source import Source, StepWork
from rayrl.train.weight_sender import WeightSender
from rayrl.units import GB

SYNC_TOLERANCE = {"bfloat16": 0.4, "float32": 0.05}
"""Largest mean |log-probability| difference between generator and learner on the generator's own completions, by what
they round to. In step they differ by 0.01-0.11 nats in bfloat16 and 0.00001 in float32, one update apart by more, after
a broken load by 8."""


class Rank:
    """One learner rank."""

    def __init__(self, job: RankJob) -> None:
        self.job, self.config, self.coordinator = job, job.config, job.coordinator
        worker = ray.train.get_context()
        self.rank, self.world_size = worker.get_world_rank(), worker.get_world_size()
        self.first = self.rank == 0
        settings = self.config.learner
        device = torch.device("cuda", worker.get_local_rank()) if settings.gpus_per_worker else torch.device("cpu")
        if device.type == "cpu":
            cores = len(os.sched_getaffinity(0))
            torch.set_num_threads(settings.threads or max(1, cores // worker.get_local_world_size()))
        kept, self.deadlines = self.config.checkpoint, self.config.run.deadlines
        self.checkpoints = Checkpoints(job.folder / "checkpoints", kept.keep, kept.background, self.deadlines.step)
        self.source = self._source()
        require_device_memory(device, job.device_bytes)
        what = f"learner rank {self.rank} to read the model"
        with watched(what, self.deadlines.start, job.coordinator.fail.remote):
            self.learner = Learner(
                self.config.model.model_copy(update={"path": job.model}),
                settings,
                self.config.freeze,
                temperature=self.config.temperature,
                total_updates=self.config.updates,
                seed=self.config.run.seed,
                device=device,
                keep_reference=self.config.keeps_reference,
                adapter_settings=self.config.adapter,
            )
        self.generator = (
            generator_beside(self.config.generator, job.beside, worker.get_local_rank()) if job.beside else None
        )
        self.sender = WeightSender(self.config, self.learner, job.coordinator, self.rank, self._wait)
        self.distance = BaseDistance(self.config, self.learner, job.folder, job.model)
        self.evaluations = Evaluations(self.config, job.coordinator, self._log)

    def _source(self) -> Source:
        if isinstance(self.config, SFTConfig):
            return Examples(self.config, self.job.folder / EXAMPLES)
        assert isinstance(self.config, GRPOConfig)

        def take(step: int) -> StepBatch:
            what = f"the groups of step {step + 1}"
            (reference,) = self._wait(self.coordinator.batch_reference.remote(step), what)
            batch: StepBatch = self._wait(reference, what)
            return batch

        return Rollouts(self.config, take)

    def run(self) -> None:
        """Restores, then steps until the last; leaves the model in Hugging Face format."""
        state = self.checkpoints.restore(self.learner)
        generators = self._generators_beside()
        if self.first:
            restored = self.coordinator.restore.remote(state, self.job.prompts, generators)
            self._wait(restored, "the coordinator to restore its state")
        dist.barrier()  # no rank asks for a step of the start before
        self._publish(state.next_step, self.learner.rounded_base())
        if state.next_step == 0:
            self._begin()
        elif state.evaluation_due:
            self._evaluate(state.next_step)
        if self.first:
            self._wait(self.coordinator.start.remote(), "the coordinator to start")
        for step in range(state.next_step, self.config.steps):
            self.checkpoints.check()
            self._step(step)
        self.checkpoints.finish()
        if self.config.steps:
            self._phase("export")
            self.learner.export(self.job.folder / "model")
        self.evaluations.finish()

    def _generators_beside(self) -> list[Any] | None:
        """Of all ranks; None where generators are elsewhere."""
        if self.generator is None:
            return None
        found = [self.generator] * self.world_size
        dist.all_gather_object(found, self.generator)
        return found

    def _begin(self) -> None:
        """What is measured before the first step."""
        self.distance.measure(0)
        if self.first and (notice := self.distance.notice()):
            self._log({"kind": "event", "event": "drift", "detail": notice})
        if self.config.evaluation.at_start:
            self._evaluate(0)

    def _step(self, step: int) -> None:
        started = time.monotonic()
        work = self.source.take(step)
        received = time.monotonic()
        self._take_turn()
        self._phase("train")
        begun = time.monotonic()
        statistics = self._learn(work)
        trained = time.monotonic()
        if self.source.needs_generators:
            self._phase("sync")
            self._publish(step + 1)
        synced = time.monotonic()
        memory = {"memory/peak_gb": self.learner.peak_bytes() / GB, "memory/estimate_gb": self.job.learner_bytes / GB}
        if self.first:
            clock = {
                "time/wait_s": received - started,
                "time/train_s": trained - begun,
                "time/sync_s": begun - received + synced - trained,
                "time/step_s": synced - started,
            }
            self._log({"kind": "step", "step": step + 1} | work.record() | statistics | clock | memory)
        require_in_step(statistics, work, step, SYNC_TOLERANCE[self.config.rounding])
        last = step + 1 == self.config.steps
        every = self.config.evaluation.every_steps
        if last or (every and (step + 1) % every == 0):
            self.evaluations.finish()
            if not self.source.needs_generators:
                self._publish(step + 1)
            self._evaluate(step + 1)
        if last or (step + 1) % self.config.checkpoint.every_steps == 0:
            self._phase("checkpoint")
            self.distance.measure(step + 1)
            self.evaluations.finish_earlier(step + 1)
            empty = CoordinatorState(step + 1)
            state = self._wait(self.coordinator.state.remote(step + 1), "the state") if self.first else empty
            state.evaluation_due = self.evaluations.pending
            self.checkpoints.save(self.learner, state)
        self.evaluations.collect()

    def _take_turn(self) -> None:
        """The GPU is the learner's from here until it publishes, where a generator is beside it."""
        if self.generator is not None:
            if self.first:
                self._wait(self.coordinator.sleep.remote(), "generators to leave the GPUs to the learner")
            dist.barrier()

    def _learn(self, work: StepWork) -> dict[str, float]:
        """The step's updates, and their metrics together."""
        objective = self.source.objective
        updates = self.learner.with_old_logprobs(work.updates, objective)
        metrics = [self.learner.update(trees, objective) for trees in updates]
        self.learner.check_frozen()
        return over_updates(metrics)

    def _publish(self, version: int, base: Iterable[tuple[str, torch.Tensor]] = ()) -> None:
        if self.generator is not None:
            self.learner.release_memory()  # each rank before it joins what is gathered, and the generators wake after
        if self.config.samples:
            self.sender.send(version, base)

    def _evaluate(self, step: int) -> None:
        if self.first:
            self.evaluations.start(step)
        if not self.config.evaluation.beside_training:
            self.evaluations.finish()

    def _phase(self, name: str) -> None:
        if self.first:
            self.coordinator.phase.remote(name)

    def _log(self, record: dict[str, Any]) -> None:
        self._wait(self.coordinator.log.remote(record), "the coordinator to take a record")

    def _wait(self, reference: Any, what: str) -> Any:
        """An answer of the coordinator's, which has a deadline for all that it waits for itself; and the driver asks it
        all the time whether it is there."""
        return fetch(reference, what, self.deadlines.longest.behind)


def require_in_step(statistics: dict[str, float], work: StepWork, step: int, tolerance: float) -> None:
    """Raises SyncError where the generators did not sample a step's completions from the learner's weights."""
    difference = statistics.get("sync/logprob_diff_mean")
    if difference is not None and difference > tolerance and work.on_policy:
        raise SyncError(
            f"weight sync: at step {step + 1} the generators' log-probabilities differ from the learner's by "
            f"{difference:.2f} nats on average (tolerance {tolerance}): a generator does not hold the weights "
            f"of version {step}; the run ends before it learns from them further"
        )
