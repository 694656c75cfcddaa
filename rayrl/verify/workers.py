"""A pool of worker processes that can be killed: a deadline that holds against a loop in C, a memory limit, a crash.

Plain Python, usable from any thread (a Ray actor's too): the workers come from a clean nursery process, not from a
fork of this one, and end when this process ends, even by SIGKILL.
"""

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from rayrl.errors import ConfigError, DeadlineError
from rayrl.verify.jobs import Job, Outcome
from rayrl.verify.nursery import START_DEADLINE_S, Nursery, Worker

MAX_BATCH = 32
WORN_OUT = Outcome("done", reason="the worker has grown too large")

_Task = tuple[Job, "Future[Outcome]"]


class WorkerPool:
    """Runs verifiers and reward functions in `processes` worker processes.

    Args:
        processes: Worker processes.
        deadline_s: Longest time for one completion, in seconds; a group handed to a reward function as a whole has
            this times its completions. Then the worker is killed and replaced.
        memory_limit_mb: Address space of one worker, in MB.
        functions: Import paths of reward functions, imported as a worker starts, outside any deadline.

    Raises:
        ConfigError: One of `functions` cannot be imported.
        DeadlineError: The workers did not start.
    """

    def __init__(self, processes: int, deadline_s: float, memory_limit_mb: int, functions: Sequence[str] = ()) -> None:
        self.deadline_s = deadline_s
        self._memory_limit_mb = memory_limit_mb
        self._functions = list(functions)
        self._nursery = Nursery(memory_limit_mb)
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._closed = False
        self._submitting = threading.Lock()
        try:
            workers = [self._start_worker() for _ in range(processes)]
        except BaseException:
            self._nursery.close()
            raise
        self._pids = {slot: worker.pid for slot, worker in enumerate(workers)}
        self._threads = [
            threading.Thread(target=self._serve, args=(slot, worker), name=f"verifier-{slot}", daemon=True)
            for slot, worker in enumerate(workers)
        ]
        for thread in self._threads:
            thread.start()

    def pids(self) -> list[int]:
        """Process ids of the workers at this moment."""
        return list(self._pids.values())

    def submit(self, job: Job) -> "Future[Outcome]":
        """The outcome of a job, to come. It never raises what the job raised: see `Outcome`.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[Outcome] = Future()
        with self._submitting:
            if self._closed:
                raise RuntimeError("the verifier pool is closed")
            self._tasks.put((job, future))
        return future

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """The outcomes of `jobs`, in their order."""
        return [future.result() for future in [self.submit(job) for job in jobs]]

    def close(self) -> None:
        """Kills the workers. Jobs that were not done end as `crashed`."""
        with self._submitting:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._tasks.put(None)
        self._nursery.close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_worker(self) -> Worker:
        worker = self._nursery.spawn()
        problem = f"a verifier worker did not start within {START_DEADLINE_S:g} s"
        try:
            worker.connection.send(self._functions)
            if worker.connection.poll(START_DEADLINE_S):
                problem = worker.connection.recv()
        except (EOFError, OSError):
            problem = f"a verifier worker died as it started (memory limit {self._memory_limit_mb} MB)"
        if problem:
            self._nursery.kill(worker)
            raise ConfigError(problem)
        return worker

    def _take(self) -> list[_Task]:
        """The next task; of a long queue some more, so that pipes carry many at once. Empty at the end."""
        tasks: list[_Task] = []
        more = min(MAX_BATCH - 1, self._tasks.qsize() // (4 * len(self._pids)))
        with contextlib.suppress(Empty):
            task = self._tasks.get()
            while task is not None:
                tasks.append(task)
                if len(tasks) > more:
                    return tasks
                task = self._tasks.get_nowait()
            if tasks:
                self._tasks.put(None)
        return tasks

    def _serve(self, slot: int, worker: Worker | None) -> None:
        """One thread's life: takes jobs until there are no more. A job whose worker dies is tried once again."""
        while tasks := self._take():
            waiting = deque(task for task in tasks if task[1].set_running_or_notify_cancel())
            died_of: _Task | None = None
            while waiting:
                worker, outcome = self._attempt(slot, worker, waiting)
                if worker is not None or outcome is WORN_OUT:
                    continue
                again = outcome is None or outcome.kind == "crashed"
                if again and waiting[0] is not died_of:
                    died_of = waiting[0]
                else:
                    waiting.popleft()[1].set_result(outcome or Outcome("crashed", reason=self._death()))
        if worker is not None:
            worker.connection.close()

    def _death(self) -> str:
        return "the pool was closed" if self._closed else "its worker process died, twice"

    def _attempt(
        self, slot: int, worker: Worker | None, waiting: "deque[_Task]"
    ) -> tuple[Worker | None, Outcome | None]:
        """Runs `waiting` on `worker`, or on a new one, and takes off what is done.

        Returns the worker where it lives on; else what the first of the rest came to with its death: None for a crash.
        """
        if self._closed:
            return None, Outcome("crashed", reason=self._death())
        try:
            worker = worker or self._start_worker()
        except (ConfigError, DeadlineError) as error:
            return None, Outcome("crashed", reason=str(error))
        self._pids[slot] = worker.pid
        outcome = None
        with contextlib.suppress(EOFError, OSError):
            outcome = self._converse(worker, waiting)
            if outcome is None:
                return worker, None
        self._nursery.kill(worker)
        return None, outcome

    def _converse(self, worker: Worker, waiting: "deque[_Task]") -> Outcome | None:
        """Sends `waiting` to a worker and takes off what it answers. Any outcome is the end of the worker.

        Raises:
            EOFError, OSError: The worker died.
        """
        for _ in range(self._send(worker, waiting)):
            job, future = waiting[0]
            deadline_s = self.deadline_s * max(1, job.size)
            if not worker.connection.poll(deadline_s):
                return Outcome("timeout", reason=f"not done within {deadline_s:g} s")
            outcome, worn_out = worker.connection.recv()
            if outcome.kind == "crashed":
                return Outcome("crashed", reason=outcome.reason)
            waiting.popleft()
            future.set_result(outcome)
            if worn_out:
                return WORN_OUT
        return None

    @staticmethod
    def _send(worker: Worker, waiting: "deque[_Task]") -> int:
        """Sends all of `waiting`; where one of them cannot be pickled, the first alone. Returns how many were sent."""
        for count in (len(waiting), 1):
            try:
                worker.connection.send([job for job, _ in itertools.islice(waiting, count)])
                return count
            except OSError:
                raise
            except Exception as error:
                problem = error
        reason = f"the job cannot be sent to a worker: {problem}"
        waiting.popleft()[1].set_result(Outcome("raised", reason=reason))
        return 0
