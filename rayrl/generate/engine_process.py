"""vLLM's engine process on CPU, forked from a server that imports vLLM while the engine's actor does.

In a Ray actor vLLM starts its engine by `spawn`: a process that imports vLLM once more, after its actor has.
"""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from rayrl.template.client import fork


class EngineProcess(ForkServerProcess):
    """Has the environment and the threads of the moment that it is started in: those of the server are older."""

    def start(self) -> None:
        self._environment = dict(os.environ)
        super().start()

    def run(self) -> None:
        for name in os.environ.keys() - self._environment.keys():
            del os.environ[name]
        # Nothing else is written: what vLLM names its processes by looks for the arguments beside the first variable.
        os.environ.update(self._environment.items() - os.environ.items())
        if threads := os.environ.get("OMP_NUM_THREADS"):
            import torch

            torch.set_num_threads(int(threads))
        super().run()


class _Context(ForkServerContext):
    Process = EngineProcess


def start_server() -> None:
    """Begins to import vLLM in a process of its own, which ends with this one; a fork of the command's template has it
    already."""
    multiprocessing.set_forkserver_preload(["rayrl.generate.engine_imports"])
    resource_tracker.ensure_running()
    own = vars(util)
    start = own["spawnv_passfds"]
    own["spawnv_passfds"] = lambda path, arguments, fds: fork(arguments[1:], fds, os.getpgrp())
    try:
        forkserver.ensure_running()
    except OSError:  # no template
        own["spawnv_passfds"] = start
        forkserver.ensure_running()
    else:
        # It is no child, whose end could be asked for; where it has ended, an engine's start fails.
        vars(vars(forkserver)["_forkserver"])["ensure_running"] = lambda: None
    finally:
        own["spawnv_passfds"] = start


@contextmanager
def forked() -> Iterator[None]:
    """An engine process that vLLM starts within is forked from the server."""
    from vllm.v1.engine import utils

    context: Any = _Context()
    before = utils.get_mp_context
    utils.get_mp_context = lambda: context
    try:
        yield
    finally:
        utils.get_mp_context = before
