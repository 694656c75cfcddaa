"""The template: imports what a run's processes need, then forks whatever is asked for.

It computes nothing, so that what is forked is as good as new. The libraries whose imports start a thread (OpenBLAS,
jemalloc) know forks.
"""

import array
import fcntl
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

IMPORTS = ("rayrl.generate.engine_imports", "rayrl.learner.learner", "vllm.v1.engine.async_llm")


def imports() -> None:
    """What ranks and vLLM's actor and engine import. Not Ray: a fork of what has it does not become a worker."""
    sys.modules["ray"] = None  # type: ignore[assignment]  # vLLM would import it, and does without
    for name in IMPORTS:
        import_module(name)
    del sys.modules["ray"]


def serve(listener: socket.socket, alive: int) -> None:
    """Until the other end of `alive` is closed, as its command has ended. Answers 0 to what it cannot fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
    while True:
        ready, _, _ = select.select([listener.fileno(), alive], [], [])
        if alive in ready:
            return
        with suppress(OSError), listener.accept()[0] as connection:
            asked, descriptors = _receive(connection)
            process = 0
            with suppress(OSError):
                process = _forked(asked, descriptors, (alive, listener.fileno(), connection.fileno())) if asked else 0
            for descriptor in descriptors:
                os.close(descriptor)
            connection.sendall(str(process).encode())


def _forked(asked: dict[str, Any], descriptors: list[int], own: tuple[int, ...]) -> int:
    """Process id of a fork that becomes what is asked for; `own` are descriptors that it is not to have."""
    process = os.fork()
    if not process:
        _run(asked, descriptors, own)
    return process


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What `client.fork` asks for, with its file descriptors; nothing where whoever asked has ended."""
    connection.settimeout(10)
    message, descriptors = b"", array.array("i")
    while not message.endswith(b"\0"):
        try:
            part, rights, _, _ = connection.recvmsg(1 << 16, socket.CMSG_LEN(16 * descriptors.itemsize))
        except OSError:
            part, rights = b"", []
        for _, _, packed in rights:
            descriptors.frombytes(packed)
        if not part:
            return {}, list(descriptors)
        message += part
    return json.loads(message[:-1]), list(descriptors)


def _run(asked: dict[str, Any], descriptors: list[int], own: tuple[int, ...]) -> NoReturn:
    """In a fork: becomes `python ARGUMENTS`, and ends as that does."""
    status = 1
    try:
        for descriptor in own:
            os.close(descriptor)
        _become(asked, descriptors)
        _execute(asked["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(asked: dict[str, Any], descriptors: list[int]) -> None:
    """Takes the place of a process that whoever asked would have started."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _take(dict(zip(asked["fds"], descriptors, strict=True)))
    with suppress(OSError):  # a group of another session
        os.setpgid(0, asked["group"])
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, asked["nice"])
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(asked["oom_score_adj"])
    os.chdir(asked["folder"])
    environment = asked["environment"]
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    # Nothing else is written: what names processes looks for the arguments beside the first variable.
    os.environ.update(environment.items() - os.environ.items())
    sys.path[:] = asked["path"]


def _execute(arguments: list[str]) -> None:
    if "-c" in arguments:
        at = arguments.index("-c")
        sys.argv, sys.path[0] = ["-c", *arguments[at + 2 :]], ""
        exec(compile(arguments[at + 1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(arguments[0])
        runpy.run_path(arguments[0], run_name="__main__")


def _take(numbers: dict[int, int]) -> None:
    """Gives descriptors the numbers that they had; by way of others, as one may have the number of another."""
    high = {wanted: fcntl.fcntl(held, fcntl.F_DUPFD, max(numbers) + 1) for wanted, held in numbers.items()}
    for held in numbers.values():
        os.close(held)
    for wanted, held in high.items():
        os.dup2(held, wanted, inheritable=True)
        os.close(held)


if __name__ == "__main__":
    listener, alive = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    gc.disable()
    imports()
    gc.freeze()
    gc.enable()
    serve(listener, alive)
    shutil.rmtree(os.path.dirname(sys.argv[3]), ignore_errors=True)
