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
from rayrl.verify.jobs import SEND_EVERY_S, Job, Outcome
from rayrl.verify.nursery import START_DEADLINE_S, Nursery, Worker
from rayrl.verify.tasks import Task, Together

MAX_BATCH = 128
WORN_OUT = Outcome("done", reason="the worker has grown too large")


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
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
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
        self._put([job], Together(1, future, lambda outcomes: future.set_result(outcomes[0])))
        return future

    def submit_all(self, jobs: Sequence[Job]) -> "Future[list[Outcome]]":
        """The outcomes of `jobs`, in their order, to come: cheaper than a future for each.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[list[Outcome]] = Future()
        if not jobs:
            future.set_result([])
        self._put(jobs, Together(len(jobs), future, future.set_result))
        return future

    def _put(self, jobs: Sequence[Job], together: Together) -> None:
        with self._submitting:
            if self._closed:
                raise RuntimeError("the verifier pool is closed")
            for index, job in enumerate(jobs):
                self._tasks.put(Task(job, together, index))

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """The outcomes of `jobs`, in their order."""
        return self.submit_all(jobs).result()

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
            worker.channel.send(self._functions)
            problem = next(iter(worker.channel.receive(START_DEADLINE_S)), problem)
        except (EOFError, OSError):
            problem = f"a verifier worker died as it started (memory limit {self._memory_limit_mb} MB)"
        if problem:
            self._nursery.kill(worker)
            raise ConfigError(problem)
        return worker

    def _take(self) -> list[Task]:
        """The next task; of a long queue some more, so that a message carries many. Empty at the end."""
        tasks: list[Task] = []
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
            waiting = deque(task for task in tasks if task.together.wanted())
            died_of: Task | None = None
            while waiting:
                worker, outcome = self._attempt(slot, worker, waiting)
                if worker is not None or outcome is WORN_OUT:
                    continue
                again = outcome is None or outcome.kind == "crashed"
                if again and waiting[0] is not died_of:
                    died_of = waiting[0]
                else:
                    waiting.popleft().settle(outcome or Outcome("crashed", reason=self._death()))
        if worker is not None:
            worker.channel.close()

    def _death(self) -> str:
        return "the pool was closed" if self._closed else "its worker process died, twice"

    def _attempt(
        self, slot: int, worker: Worker | None, waiting: "deque[Task]"
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

    def _converse(self, worker: Worker, waiting: "deque[Task]") -> Outcome | None:
        """Sends `waiting` to a worker and takes off what it answers. Any outcome is the end of the worker.

        Where a job is its end, that job is the first of `waiting`; those that were done before it, but not reported,
        are the last, and are asked again.

        Raises:
            EOFError, OSError: The worker died.
        """
        worker.progress.at = done = 0
        sent = self._send(worker, waiting)
        try:
            while done < sent:
                deadline_s = self.deadline_s * max(1, waiting[0].job.size)
                messages = worker.channel.receive(deadline_s + SEND_EVERY_S)
                at = worker.progress.at
                # What was sent before the worker got there is here by now.
                messages = messages or worker.channel.receive(0)
                if not messages:
                    waiting.rotate(done - at)
                    return Outcome("timeout", reason=f"not done within {deadline_s:g} s")
                for outcome, spent in itertools.chain.from_iterable(messages):
                    if outcome.kind == "crashed":
                        return Outcome("crashed", reason=outcome.reason)
                    waiting.popleft().settle(outcome)
                    done += 1
                    if spent:
                        return WORN_OUT
        except (EOFError, OSError):
            waiting.rotate(done - max(done, worker.progress.at))
            raise
        return None

    @staticmethod
    def _send(worker: Worker, waiting: "deque[Task]") -> int:
        """Sends all of `waiting`; where one of them cannot be pickled, the first alone. Returns how many were sent."""
        for count in (len(waiting), 1):
            try:
                worker.channel.send([task.job for task in itertools.islice(waiting, count)])
                return count
            except OSError:
                raise
            except Exception as error:
                problem = error
        reason = f"the job cannot be sent to a worker: {problem}"
        waiting.popleft().settle(Outcome("raised", reason=reason))
        return 0
