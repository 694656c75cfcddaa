"""Evaluations of a run, on the first learner rank: asked for, and recorded when they are there."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray

from rayrl.actors.deadlines import fetch_guarded
from rayrl.actors.harness import HarnessResult
from rayrl.config import TrainingConfig
from rayrl.evaluate.summary import cut_off_warning, summarize
from rayrl.train.statistics import evaluation_statistics


@dataclass(frozen=True, slots=True)
class Pending:
    """An evaluation that generators are at. result: reference to it."""

    step: int
    started: float
    result: Any


class Evaluations:
    """At most one at a time. Generators must keep their weights from its `start` to its `finish`.

    Args:
        config: Of the run.
        coordinator: Handle of the run's.
        log: Takes a record for metrics.jsonl.
    """

    def __init__(self, config: TrainingConfig, coordinator: Any, log: Callable[[dict[str, Any]], None]) -> None:
        self.config, self.coordinator, self._log = config, coordinator, log
        self._pending: Pending | None = None
        self._warned: set[str] = set()  # sets of which it was said that many completions are cut off

    def start(self, step: int) -> None:
        """Asks for the evaluation of what generators hold, the weights after `step` steps."""
        if self.config.evaluates:
            self._pending = Pending(step, time.monotonic(), self.coordinator.evaluate_all.remote())

    def collect(self) -> None:
        """Records the one that is pending if it is there; waits for nothing."""
        if self._pending is not None and ray.wait([self._pending.result], timeout=0)[0]:
            self.finish()

    def finish_earlier(self, step: int) -> None:
        """Waits for one of weights before those after `step` steps, whose checkpoint is to be written: who resumes from
        that has them no more."""
        if self._pending is not None and self._pending.step < step:
            self.finish()

    @property
    def pending(self) -> bool:
        """Whether one is asked for and not recorded yet."""
        return self._pending is not None

    def finish(self) -> None:
        """Waits for the one that is pending, and records it.

        Raises:
            RayrlError: What made generators, verifiers or a task fail.
            DeadlineError: The coordinator does not answer.
        """
        if self._pending is None:
            return
        step, ping = self._pending.step, self.coordinator.ping.remote
        what = f"the evaluation after step {step}"
        found: HarnessResult = fetch_guarded(self._pending.result, what, self.config.run.deadlines.sync, ping)
        took = {"time/evaluate_s": time.monotonic() - self._pending.started}
        self._pending = None
        k = {one.name: one.k for one in self.config.evaluation_sets}
        figures = evaluation_statistics(found.rows, k) | found.figures | took
        self._log({"kind": "eval", "step": step, "rows": found.rows} | figures)
        for name, rows in found.rows.items():
            warning = cut_off_warning(name, summarize(rows))
            if warning and name not in self._warned:  # once a run, and again where it resumes
                self._warned.add(name)
                self._log({"kind": "event", "event": "cut_off", "detail": warning})
