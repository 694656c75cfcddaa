"""The processes behind `rayrl.verify.workers.WorkerPool`: a nursery, and the workers that it forks.

The nursery (`python -m rayrl.verify.worker SOCKET_FD MEMORY_MB`) imports math-verify once and then only waits: for a
request to fork a worker, to kill one, or for the end of its socket, upon which it kills all and ends. It runs nothing
else, so it always answers; it has one thread, so forking it is safe; and a worker is ready milliseconds after the
one before it was killed. A worker reads lists of jobs from its own socket and answers them in turn.
"""

import ctypes
import gc
import inspect
import math
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from rayrl.errors import RayrlError
from rayrl.plugins import load
from rayrl.verify import maths
from rayrl.verify.channel import Channel, Progress
from rayrl.verify.jobs import REPLY, REQUEST, SEND_EVERY_S, Check, Job, Outcome
from rayrl.verify.registry import VERIFIERS

PR_SET_PDEATHSIG = 1
SWOLLEN = 0.75


def _as_reward(value: Any, index: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, str | bytes):
        raise TypeError(f"returned {value!r} for completion {index}, not a number or None")
    try:
        reward = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"returned a {type(value).__name__} for completion {index}, not a number or None") from error
    if not math.isfinite(reward):
        raise ValueError(f"returned {reward} for completion {index}; None says that there is no reward")
    return reward


def _as_rewards(values: Any, count: int) -> list[float | None]:
    if values is None or isinstance(values, str | bytes | dict):
        raise TypeError(f"returned {type(values).__name__}, not a list of {count} numbers or None")
    rewards = [_as_reward(value, index) for index, value in enumerate(values)]
    if len(rewards) != count:
        raise ValueError(f"returned {len(rewards)} rewards for {count} completions")
    return rewards


def _columns_for(function: Callable[..., Any], columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """All columns, or those that a function without `**columns` names."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return columns
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return columns
    return {name: values for name, values in columns.items() if name in parameters}


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def run(job: Job) -> Outcome:
    """Runs one job. Whatever the function raises comes back as text; an exhausted memory limit as a crash."""
    try:
        if isinstance(job, Check):
            return Outcome("done", VERIFIERS[job.verifier].verify(job.response, job.gold, **job.options))
        function = load(job.function, "rewards.function")
        arguments = {**_columns_for(function, job.columns), **job.options}
        arguments.pop("completions", None)
        return Outcome("done", _as_rewards(function(list(job.completions), **arguments), len(job.completions)))
    except MemoryError:
        return Outcome("crashed", reason="out of memory")
    except BaseException as error:
        return Outcome("raised", reason=f"{type(error).__name__}: {error}{_where(error)}")


class _AddressSpace:
    """Bytes of address space that this process has taken; 0 where the system does not tell."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            self._file = None

    def taken(self) -> int:
        if self._file is None:
            return 0
        return int(os.pread(self._file, 64, 0).split(maxsplit=1)[0]) * resource.getpagesize()


def _answer(jobs: Sequence[Job], channel: Channel, progress: Progress, full: Callable[[], bool]) -> bool:
    """Answers `jobs` and returns whether the worker is spent; it then takes up no other job.

    Replies (outcome, spent) are sent together: before a job that starts `SEND_EVERY_S` or more after the last sending,
    and before a Call, so that only jobs with the deadline of one completion wait for each other.
    """
    replies: list[tuple[Outcome, bool]] = []
    spent, sent = False, time.monotonic()
    for place, job in enumerate(jobs):
        if replies and (time.monotonic() - sent >= SEND_EVERY_S or not isinstance(job, Check)):
            channel.send(replies)
            replies, sent = [], time.monotonic()
        progress.at = place
        outcome = run(job)
        spent = outcome.kind == "crashed" or full()
        replies.append((outcome, spent))
        if spent:
            break
    channel.send(replies)
    return spent


def _work(channel: Channel, progress: Progress, memory_limit_mb: int) -> None:
    """One worker's life: loads the functions it is told to, reports, then answers lists of jobs until its channel ends.

    It is spent, and waits to be killed, once it is out of memory or close to it.
    """
    limit = memory_limit_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    functions: list[str] = channel.receive()[0]
    try:
        for function in functions:
            load(function, "rewards.function")
        channel.send("")
    except RayrlError as error:
        channel.send(str(error))
    except BaseException as error:
        channel.send(f"importing {function!r} raised {type(error).__name__}: {error}{_where(error)}")
    space = _AddressSpace()
    swollen = space.taken() + SWOLLEN * (limit - space.taken())
    while not _answer(channel.receive()[0], channel, progress, lambda: space.taken() > swollen):
        pass
    channel.receive()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _be_worker(descriptors: Sequence[int], memory_limit_mb: int, nursery: int) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        _die_with_parent()
        if os.getppid() == nursery:
            with suppress(EOFError, BrokenPipeError, ConnectionResetError):
                _work(Channel(socket.socket(fileno=descriptors[0])), Progress(descriptors[1]), memory_limit_mb)
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _kill(pid: int) -> None:
    """Kills a worker with everything it started, and reaps it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def nursery(control: socket.socket, memory_limit_mb: int) -> None:
    """Forks and kills workers on request until `control` ends, then kills those that are left."""
    own_pid = os.getpid()
    alive: set[int] = set()
    try:
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, 2)
            if len(request) < REQUEST.size:
                return
            what, pid = REQUEST.unpack(request)
            if what == b"f":
                pid = os.fork()
                if pid == 0:
                    control.close()
                    _be_worker(descriptors, memory_limit_mb, own_pid)
                with suppress(OSError):
                    os.setpgid(pid, pid)
                for descriptor in descriptors:
                    os.close(descriptor)
                alive.add(pid)
            elif pid in alive:
                _kill(pid)
                alive.discard(pid)
            control.sendall(REPLY.pack(pid))
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        for pid in alive:
            _kill(pid)


def main() -> None:
    """Entry point of the nursery."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    maths.warm_up()
    gc.freeze()
    control.sendall(REPLY.pack(os.getpid()))
    nursery(control, int(sys.argv[2]))


if __name__ == "__main__":
    main()
