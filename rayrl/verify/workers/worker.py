"""The processes behind `rayrl.verify.workers.pool.WorkerPool`: the fork server, and the workers that it forks.

The fork server (`python -m rayrl.verify.workers.worker SOCKET_FD MEMORY_MB`) imports math-verify once and then only
waits for requests, so it always answers; it has one thread, so forking it is safe; and a worker is ready milliseconds
after the one before it was killed. A worker reads lists of jobs from its channel and answers them in turn.
"""

import fcntl
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from rayrl.errors import RayrlError
from rayrl.plugins import load
from rayrl.verify import maths
from rayrl.verify.workers.channel import Channel
from rayrl.verify.workers.execution import describe, execute
from rayrl.verify.workers.fork_server import READY, REQUEST
from rayrl.verify.workers.jobs import SEND_EVERY_S, Check, Job, Outcome

SWOLLEN = 0.75  # share of its address space that a worker may fill before it is replaced


class _Memory:
    """The address space of this process, and whether it is nearly full."""

    def __init__(self, limit_mb: int) -> None:
        limit = limit_mb * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        self._swollen = self._taken() + SWOLLEN * (limit - self._taken())

    def _taken(self) -> int:
        return int(os.pread(self._statm, 64, 0).split(maxsplit=1)[0]) * resource.getpagesize()

    def is_full(self) -> bool:
        return self._taken() > self._swollen


def _import_problem(functions: Sequence[str]) -> str | None:
    """Why one of the reward functions cannot be imported."""
    for function in functions:
        try:
            load(function, "rewards.function")
        except RayrlError as error:
            return str(error)
        except BaseException as error:
            return f"importing {function!r} raised {describe(error)}"
    return None


def _answer(jobs: Sequence[Job], channel: Channel, memory: _Memory) -> bool:
    """Answers `jobs` and returns whether the worker is spent; it then takes up no other job.

    Outcomes are sent together: before a job that starts `SEND_EVERY_S` or more after the last sending, and before a
    Call, so that only jobs with the deadline of one completion wait for each other.
    """
    outcomes: list[Outcome] = []
    is_spent, sent = False, time.monotonic()
    for place, job in enumerate(jobs):
        if outcomes and (time.monotonic() - sent >= SEND_EVERY_S or not isinstance(job, Check)):
            channel.send((outcomes, False))
            outcomes, sent = [], time.monotonic()
        channel.at = place
        outcomes.append(execute(job))
        is_spent = outcomes[-1].kind == "crashed" or memory.is_full()
        if is_spent:
            break
    channel.send((outcomes, is_spent))
    return is_spent


def _work(channel: Channel, memory: _Memory) -> None:
    """Imports the functions it is told to, reports, answers lists of jobs until it is spent, and waits to be killed."""
    channel.send((os.getpid(), _import_problem(channel.receive())))
    while not _answer(channel.receive(), channel, memory):
        pass
    channel.receive()


def _die_with(lifeline: int) -> None:
    """Has the kernel kill this process and all that it started once `lifeline` has a byte, or its other end is gone."""
    os.setpgid(0, 0)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # before the kernel was told
        os.killpg(0, signal.SIGKILL)


def _live(descriptors: Sequence[int], memory_limit_mb: int) -> NoReturn:
    """A worker's life, from the fork to its end."""
    try:
        channel, shared, lifeline = descriptors
        _die_with(lifeline)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            _work(Channel(socket.socket(fileno=channel), shared), _Memory(memory_limit_mb))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def main() -> None:
    """Entry point of the fork server: a worker for each request; at the end it waits until all are dead."""
    control, memory_limit_mb = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries dead workers
    maths.warm_up()
    gc.freeze()
    with suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(READY)
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, len(REQUEST), 3)
            if not request:
                break
            if os.fork() == 0:
                control.close()
                _live(descriptors, memory_limit_mb)
            for descriptor in descriptors:
                os.close(descriptor)
            control.sendall(READY)
    with suppress(ChildProcessError):
        os.wait()


if __name__ == "__main__":
    main()
