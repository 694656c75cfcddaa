"""The template process of a command: started with it, asked for forks of itself, and ended with it.

A run starts a dozen Python processes, which import the same thousands of modules: half of all that a start computes.
"""

import array
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from rayrl.gpus import has_driver
from rayrl.processor import openmp

ADDRESS = "RAYRL_TEMPLATE"
"""Environment variable: the socket of the template of this process's command; missing where there is none."""
SERVER = "rayrl.template.server"
PATIENCE_S = 300.0
"""It answers once it has imported: in 10 to 30 s on two cores."""


@contextmanager
def template(wanted: bool = True) -> Iterator[None]:
    """Within, what Ray starts on this machine is forked from one process, which imports while this one does.

    On CPU alone: on a machine with a GPU an import may ask its driver, and what has done that is not to be forked. Nor
    where a cluster is named (RAY_ADDRESS), whose workers are not started from here.
    """
    if not wanted or has_driver() or "RAY_ADDRESS" in os.environ or ADDRESS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rayrl-") as folder, socket.socket(socket.AF_UNIX) as listener:
        address, bound = os.path.join(folder, "template"), False
        with suppress(OSError):  # a temporary folder whose path is too long for a socket's
            listener.bind(address)
            bound = True
        with _server(listener, address) if bound else nullcontext():
            yield


@contextmanager
def _server(listener: socket.socket, address: str) -> Iterator[None]:
    listener.listen(64)
    alive, ends = os.pipe()
    fds = (listener.fileno(), alive)
    said = None if os.environ.get("RAYRL_VERBOSE") == "1" else subprocess.DEVNULL  # imports warn
    server = subprocess.Popen(
        [sys.executable, "-m", SERVER, *map(str, fds), address],
        pass_fds=fds,
        stdout=said,
        stderr=said,
        start_new_session=True,  # Ctrl-C is for the command
        env=os.environ | openmp() | {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"},
    )
    os.close(alive)
    os.environ[ADDRESS] = address
    try:
        yield
    finally:
        del os.environ[ADDRESS]
        os.close(ends)
        server.kill()
        server.wait()


def fork(arguments: Sequence[str], fds: Sequence[int], group: int) -> int:
    """Runs `python ARGUMENTS` (a script's path, or -c and a program) in a fork of the template; returns its process id.

    It has this process's environment, folder and priority, and the file descriptors 0, 1, 2 and `fds` by the same
    numbers. It joins a process group; 0: one of its own.

    Raises:
        OSError: There is no template, it has ended, or it could not fork: nothing was started.
        EOFError: It did not say whether it did: it ended before, or has not answered for PATIENCE_S.
    """
    if not (address := os.environ.get(ADDRESS)):
        raise ConnectionError("there is no template")
    asked = {
        "arguments": list(arguments),
        "fds": [0, 1, 2, *fds],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(),
        "group": group,
    }
    message, descriptors = json.dumps(asked).encode() + b"\0", array.array("i", [0, 1, 2, *fds])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        sent = connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        if sent < len(message):  # or the template may have answered and gone on, and to send nothing is an error
            connection.sendall(message[sent:])
        connection.settimeout(PATIENCE_S)
        answer = b""
        with suppress(ConnectionError, TimeoutError):
            answer = connection.recv(32)
    if not answer:
        raise EOFError(f"the template ended before it answered, or has not within {PATIENCE_S:g} s")
    if not (process := int(answer)):
        raise ConnectionError("the template could not fork")
    return process
