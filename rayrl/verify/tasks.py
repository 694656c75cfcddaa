"""Jobs on their way through a verifier pool: those submitted together have one future, which costs more than a job."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

from rayrl.verify.jobs import Job, Outcome


class Together:
    """Jobs that were submitted together.

    Args:
        count: How many.
        future: Is run as the first of them is taken up; cancelled before that, none is run.
        finish: Called once with all outcomes, in the jobs' order.
    """

    def __init__(self, count: int, future: "Future[Any]", finish: Callable[[list[Outcome]], None]) -> None:
        self._future = future
        self._finish = finish
        self._outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._wanted: bool | None = None
        self._lock = threading.Lock()

    def wanted(self) -> bool:
        """Whether the jobs are to be run: True unless they were cancelled before the first was."""
        with self._lock:
            if self._wanted is None:
                self._wanted = self._future.set_running_or_notify_cancel()
            return self._wanted

    def settle(self, index: int, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[index] = outcome
            self._left -= 1
            last = not self._left
        if last:
            self._finish(cast(list[Outcome], self._outcomes))


class Task(NamedTuple):
    """One job, and its place among those it was submitted with."""

    job: Job
    together: Together
    place: int

    def settle(self, outcome: Outcome) -> None:
        self.together.settle(self.place, outcome)
