"""Jobs on their way through a worker pool: those submitted together have one future, which costs more than a job."""

import threading
from concurrent.futures import Future
from typing import NamedTuple

from rayrl.verify.workers.jobs import Job, Outcome


class Submission:
    """`count` jobs that were submitted together.

    future: their outcomes, in the jobs' order. Cancelled before the first of them is taken up, none is run.
    """

    def __init__(self, count: int) -> None:
        self.future: Future[list[Outcome]] = Future()
        self._count = count
        self._outcomes: dict[int, Outcome] = {}
        self._begun: bool | None = None
        self._lock = threading.Lock()
        if not count:
            self.future.set_result([])

    def begin(self) -> bool:
        """Whether the jobs are to be run: True unless they were cancelled before the first was."""
        with self._lock:
            if self._begun is None:
                self._begun = self.future.set_running_or_notify_cancel()
            return self._begun

    def settle(self, place: int, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[place] = outcome
            is_last = len(self._outcomes) == self._count
        if is_last:
            self.future.set_result([self._outcomes[place] for place in range(self._count)])


class Task(NamedTuple):
    """One job, and its place among those it was submitted with."""

    job: Job
    submission: Submission
    place: int

    def settle(self, outcome: Outcome) -> None:
        self.submission.settle(self.place, outcome)
