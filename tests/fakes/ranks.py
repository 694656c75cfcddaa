"""Ranks of a process group, each a fork of a server that has imported what they compute with."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp


def start_ranks(run: Callable[..., None], arguments: tuple[Any, ...], count: int, join: bool = True) -> Any:
    """`run(rank, *arguments)` on each, as torch's `spawn` does it. Its result is that of `spawn`."""
    multiprocessing.set_forkserver_preload(["rayrl.learner.learner", "pytest"])
    return mp.start_processes(run, arguments, nprocs=count, join=join, start_method="forkserver")
