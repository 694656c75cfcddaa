"""A pool of worker processes that can be killed: a deadline that holds against a loop in C, a memory limit, a crash.

Plain Python, usable from any thread (a Ray actor's too): the workers are forks of a clean process, not of this one, and
end when this process ends, even by SIGKILL. It does not keep a reward function from the disk or the network.
"""

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue

from rayrl.errors import ConfigError, RayrlError
from rayrl.verify.workers.fork_server import START_DEADLINE_S, ForkServer, Worker
from rayrl.verify.workers.jobs import SEND_EVERY_S, Job, Outcome
from rayrl.verify.workers.tasks import Submission, Task

MAX_BATCH = 128


class WorkerEnd(Exception):
    """A worker is to be killed. outcome: what that means for the first of the waiting tasks, or None for nothing."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__(outcome)
        self.outcome = outcome


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
        self._server = ForkServer(memory_limit_mb)
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._closed = False
        self._submitting = threading.Lock()
        try:
            workers = [self._start_worker() for _ in range(processes)]
        except BaseException:
            self._server.close()
            raise
        self._pids = {slot: worker.pid for slot, worker in enumerate(workers)}
        self._threads = [
            threading.Thread(target=self._serve, args=(slot, worker), name=f"verifier-{slot}", daemon=True)
            for slot, worker in enumerate(workers)
        ]
        for thread in self._threads:
            thread.start()

    def pids(self) -> list[int]:
        """Process ids of the workers at this moment; one that was killed is replaced when a task is there for it."""
        return list(self._pids.copy().values())

    def submit_all(self, jobs: Sequence[Job]) -> "Future[list[Outcome]]":
        """The outcomes of `jobs`, in their order, to come. It never raises what a job raised: see `Outcome`.

        Raises:
            RuntimeError: The pool is closed.
        """
        submission = Submission(len(jobs))
        with self._submitting:
            if self._closed:
                raise RuntimeError("the verifier pool is closed")
            for place, job in enumerate(jobs):
                self._tasks.put(Task(job, submission, place))
        return submission.future

    def close(self) -> None:
        """Kills the workers. Jobs that were not done end as `crashed`."""
        with self._submitting:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._tasks.put(None)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_worker(self) -> Worker:
        worker = self._server.fork()
        problem = f"a verifier worker did not start within {START_DEADLINE_S:g} s"
        try:
            worker.channel.send(self._functions)
            worker.pid, problem = worker.channel.receive(START_DEADLINE_S) or (0, problem)
        except (EOFError, OSError):
            problem = f"a verifier worker died as it started (memory limit {self._memory_limit_mb} MB)"
        if problem:
            self._server.kill(worker)
            raise ConfigError(problem)
        return worker

    def _take(self) -> list[Task]:
        """The next task; of a long queue some more, so that a message carries many. Empty at the end."""
        tasks: list[Task] = []
        more = min(MAX_BATCH - 1, self._tasks.qsize() // (4 * len(self._threads)))
        with suppress(Empty):
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
        """One thread's life: takes tasks until there are no more. One whose worker crashes is tried once again."""
        while tasks := self._take():
            waiting = deque(task for task in tasks if task.submission.begin())
            tried: Task | None = None
            while waiting:
                try:
                    worker = worker or self._start_worker()
                    self._pids[slot] = worker.pid
                    self._converse(worker, waiting)
                    continue
                except WorkerEnd as end:
                    outcome = end.outcome
                except Exception as error:  # one that nobody foresaw, too: a thread that ends leaves its tasks undone
                    outcome = Outcome("crashed", reason=str(error) if isinstance(error, RayrlError) else repr(error))
                if worker is not None:
                    del self._pids[slot]
                    self._server.kill(worker)
                    worker = None
                if outcome is None:
                    continue
                if outcome.kind == "crashed" and waiting[0] is not tried:
                    tried = waiting[0]
                else:
                    waiting.popleft().settle(outcome)
        if worker is not None:
            self._server.kill(worker)

    def _converse(self, worker: Worker, waiting: "deque[Task]") -> None:
        """Sends `waiting` to a worker and takes off what it answers.

        Raises:
            WorkerEnd: The worker is at its end. Where a task is to blame, it is the first of `waiting`; those that were
                done before it, but not reported, are the last, and are asked again.
        """
        worker.channel.at = done = 0
        try:
            sent = self._send(worker, waiting)
            while done < sent:
                deadline_s = self.deadline_s * max(1, waiting[0].job.size)
                message = worker.channel.receive(deadline_s + SEND_EVERY_S)
                at = worker.channel.at
                message = message or worker.channel.receive(0)  # what was sent before the worker got there
                if message is None:
                    waiting.rotate(done - at)
                    raise WorkerEnd(Outcome("timeout", reason=f"not done within {deadline_s:g} s"))
                outcomes, is_spent = message
                for outcome in outcomes:
                    if outcome.kind == "crashed":
                        raise WorkerEnd(outcome)
                    waiting.popleft().settle(outcome)
                    done += 1
                if is_spent:
                    raise WorkerEnd(None)
        except (EOFError, OSError) as error:
            waiting.rotate(done - max(done, worker.channel.at))
            reason = "the pool was closed" if self._closed else "its worker process died, twice"
            raise WorkerEnd(Outcome("crashed", reason=reason)) from error

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
        waiting.popleft().settle(Outcome("raised", reason=f"the job cannot be sent to a worker: {problem}"))
        return 0
