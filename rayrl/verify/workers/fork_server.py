"""The parent's side of the fork server: a process that has math-verify imported and forks workers from itself.

Why not multiprocessing's forkserver (tried on Python 3.11): its children run `__main__` again, which in a Ray actor
imports Ray (1.6 s of CPU time for each worker) and fails in a script without a guard; and since they keep the server
alive themselves, one that hangs in C outlives a SIGKILL of the parent.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from mmap import PAGESIZE

from rayrl.errors import DeadlineError
from rayrl.verify.workers.channel import Channel

START_DEADLINE_S = 600.0  # one that dies is seen at once; Ray's actors run at niceness 15, so beside others it crawls
END_DEADLINE_S = 30.0
REQUEST = b"f"  # for a worker; with it go the descriptors of its channel, of the shared memory and of its lifeline
READY = b"r"  # once as the server starts, then as each worker is forked


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process, to its pool. lifeline: a pipe; a byte in it, or its end, has the kernel kill the worker."""

    channel: Channel
    lifeline: FileIO
    pid: int = 0  # as the worker itself tells it

    def kill(self) -> None:
        with suppress(OSError):  # nobody holds the other end: it is dead
            self.lifeline.write(b"k")


class ForkServer:
    """Forks workers on request. Started with the first of them, and again where it was killed.

    When this process ends, however it ends, every lifeline ends with it, and so does every worker.
    """

    def __init__(self, memory_limit_mb: int) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._closed = False

    def fork(self) -> Worker:
        """A new worker.

        Raises:
            DeadlineError: None can be started.
        """
        with self._lock:
            if self._closed:
                raise DeadlineError("the verifier pool is closed")
            ours, theirs = socket.socketpair()
            end, lifeline = os.pipe()
            with theirs, FileIO(end), tempfile.TemporaryFile() as shared:
                shared.truncate(PAGESIZE)
                worker = Worker(Channel(ours, shared.fileno()), FileIO(lifeline, "w"))
                self._workers.add(worker)
                try:
                    self._request([theirs.fileno(), shared.fileno(), end])
                except BaseException:
                    self._drop(worker)
                    raise
            return worker

    def kill(self, worker: Worker) -> None:
        """Kills a worker, alive or not, with all that it started."""
        with self._lock:
            self._drop(worker)

    def close(self) -> None:
        """Kills every worker and ends the server. Whoever waits for a worker learns it from the channel."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()
            self._stop()

    def _drop(self, worker: Worker) -> None:
        worker.kill()
        worker.lifeline.close()
        worker.channel.close()
        self._workers.discard(worker)

    def _request(self, descriptors: list[int]) -> None:
        """Has a worker forked, by a new server where there is none any longer or where it dies, be it in its start."""
        codes = []
        for _ in range(2):
            process, control = self._running or self._start()
            with suppress(OSError):
                socket.send_fds(control, [REQUEST], descriptors)
                if control.recv(len(READY)):
                    return
            self._stop()
            codes.append(process.returncode)
        raise DeadlineError(f"the verifiers' fork server died twice, exit codes {codes}")

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        arguments = [f"{theirs.fileno()}", f"{self._memory_limit_mb}"]
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-X", "faulthandler", "-m", "rayrl.verify.workers.worker", *arguments],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._running = process, ours
        ours.settimeout(START_DEADLINE_S)
        try:
            ours.recv(len(READY))
        except TimeoutError:
            process.send_signal(signal.SIGABRT)  # says on stderr where it is
            self._stop()
            raise DeadlineError(f"the verifiers' fork server did not start within {START_DEADLINE_S:g} s") from None
        except OSError:  # it died: the request finds that out
            pass
        return self._running

    def _stop(self) -> None:
        """Ends the server, which first waits for the end of its workers."""
        if self._running is None:
            return
        (process, control), self._running = self._running, None
        control.close()
        try:
            process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
