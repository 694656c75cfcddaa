"""The parent's side of the nursery: starts it, asks it for workers, has them killed."""

import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

from rayrl.errors import DeadlineError
from rayrl.verify.channel import Channel, Progress
from rayrl.verify.jobs import REPLY, REQUEST

START_DEADLINE_S = 120.0
REPLY_DEADLINE_S = 30.0


@dataclass(slots=True)
class Worker:
    """A worker process and the channel to it. `epoch`: the nursery that forked it."""

    pid: int
    channel: Channel
    progress: Progress
    epoch: int


class Nursery:
    """A process that forks workers. Started again when it was killed; nothing it made outlives it.

    When this process ends, however it ends, the nursery's socket ends with it, and the nursery kills every worker.
    """

    def __init__(self, memory_limit_mb: int) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._epoch = 0
        self._closed = False

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rayrl.verify.worker", str(theirs.fileno()), str(self._memory_limit_mb)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._epoch += 1
        ours.settimeout(START_DEADLINE_S)
        try:
            self._reply(ours)
        except OSError as error:
            ours.close()
            self._process.kill()
            code = self._process.wait()
            self._process = None
            raise DeadlineError(
                f"the verifiers' nursery process did not start within {START_DEADLINE_S:g} s, exit code {code}: {error}"
            ) from error
        ours.settimeout(REPLY_DEADLINE_S)
        self._control = ours
        return ours

    @staticmethod
    def _reply(control: socket.socket) -> int:
        reply = control.recv(REPLY.size)
        if len(reply) < REPLY.size:
            raise ConnectionResetError("it ended")
        pid: int = REPLY.unpack(reply)[0]
        return pid

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(REPLY_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def spawn(self) -> Worker:
        """A new worker, or DeadlineError where none can be started."""
        with self._lock:
            for attempt in range(2):
                if self._closed:
                    raise DeadlineError("the verifier pool is closed")
                ours, theirs = socket.socketpair()
                try:
                    control = self._control or self._start()
                    with tempfile.TemporaryFile() as shared:
                        shared.truncate(mmap.PAGESIZE)
                        socket.send_fds(control, [REQUEST.pack(b"f", 0)], [theirs.fileno(), shared.fileno()])
                        progress = Progress(shared.fileno())
                    channel = Channel(ours.dup(), REPLY_DEADLINE_S)
                    return Worker(self._reply(control), channel, progress, self._epoch)
                except OSError as error:
                    self._stop()
                    if attempt:
                        raise DeadlineError(f"the verifiers' nursery process died twice: {error}") from error
                finally:
                    theirs.close()
                    ours.close()
        raise AssertionError("unreachable")

    def kill(self, worker: Worker) -> None:
        """Kills a worker, alive or not, with all that it started."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None and worker.epoch == self._epoch:
                try:
                    self._control.sendall(REQUEST.pack(b"k", worker.pid))
                    self._reply(self._control)
                except OSError:
                    self._stop()
        worker.channel.close()

    def close(self) -> None:
        """Ends the nursery and every worker."""
        with self._lock:
            self._closed = True
            self._stop()
