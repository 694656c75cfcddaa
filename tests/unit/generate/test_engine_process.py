"""A process that is forked from a server which has been there for a while."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import psutil
import pytest

from rayrl.generate.engine_process import EngineProcess
from rayrl.processor import openmp


@pytest.fixture
def server() -> Iterator[None]:
    """One of its own: this process may have another already, or want another later."""
    running: Any = forkserver._forkserver  # type: ignore[attr-defined]
    running._stop()
    multiprocessing.set_forkserver_preload(["torch"])
    yield
    running._stop()


def cores(connection: Connection) -> None:
    """Of each thread, after a product that all of them computed."""
    import torch

    torch.ones(1000, 1000) @ torch.ones(1000, 1000)
    connection.send([os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")])


def report(connection: Connection) -> None:
    import setproctitle
    import torch

    setproctitle.setproctitle("VLLM::EngineCore")
    own = psutil.Process()
    connection.send([dict(os.environ), torch.get_num_threads(), own.cmdline()[0].strip(), own.ppid()])


def forked(report: Callable[[Connection], None] = report) -> list[Any]:
    """What such a process says of itself."""
    here, there = multiprocessing.Pipe()
    process = EngineProcess(target=report, args=(there,))
    process.start()
    assert here.poll(60)
    said: list[Any] = here.recv()
    process.join(60)
    assert process.exitcode == 0
    return said


def test_it_has_environment_and_threads_of_the_moment_it_is_started_and_can_be_named(
    server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYRL_TEST_OLD", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    _, threads, _, parent = forked()
    assert threads == 1
    assert parent in {child.pid for child in psutil.Process().children()}

    monkeypatch.delenv("RAYRL_TEST_OLD")
    monkeypatch.setenv("RAYRL_TEST_NEW", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment, threads, name, again = forked()
    assert (environment, threads, again) == (dict(os.environ), 3, parent)
    assert name == "VLLM::EngineCore"


@pytest.mark.skipif(not openmp(), reason="Intel's OpenMP is not installed")
def test_none_of_its_threads_is_bound_to_a_core(server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (openmp() | {"OMP_NUM_THREADS": "2"}).items():
        monkeypatch.setenv(name, value)
    threads = forked(cores)
    assert len(threads) > 1
    assert all(found == os.sched_getaffinity(0) for found in threads)
