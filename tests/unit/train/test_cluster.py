"""Ray that does not start at once, and clusters that have no room."""

import os
import re
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from rayrl.config import EvalConfig, GRPOConfig
from rayrl.errors import ConfigError, ResourceError
from rayrl.train.cluster import (
    MOST,
    STARTS,
    Cluster,
    _shut_down,
    gpu_notice,
    needed_resources,
    reachable_resources,
    require_resources,
    start_ray,
)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each call of `ray.init` meets, the next at the end: an error's text, or nothing where it starts."""
    met: list[str] = []

    def init(**options: object) -> None:
        assert options == {"num_cpus": 2}
        if error := met.pop():
            raise Exception(error)

    monkeypatch.setattr("ray.init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return met


def test_one_that_missed_its_own_deadline_is_started_again(starts: list[str]) -> None:
    starts += ["", "The current node timed out during startup.", "and another time"]
    start_ray(num_cpus=2)
    assert starts == []


def test_after_some_times_the_machine_is_said_to_be_busy(starts: list[str]) -> None:
    starts += ["not asked for", *["timed out during startup"] * STARTS]
    with pytest.raises(ResourceError, match=r"on this machine: timed out during startup; the machine may be busy"):
        start_ray(num_cpus=2)
    assert starts == ["not asked for"]


def test_a_cluster_that_is_named_is_asked_once(starts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    starts += ["not asked for", "no such cluster"]
    with pytest.raises(ResourceError, match="on auto: no such cluster; check RAY_ADDRESS"):
        start_ray(num_cpus=2)
    assert starts == ["not asked for"]


def cluster(*nodes: tuple[int, int]) -> Cluster:
    """Of nodes with so many (CPUs, GPUs), all free."""
    return Cluster(
        {"CPU": float(sum(node[0] for node in nodes)), "GPU": float(sum(node[1] for node in nodes))},
        [{"CPU": float(cpus), "GPU": float(gpus)} for cpus, gpus in nodes],
    )


def split_over(gpus: int, replicas: int = 1, **changes: Any) -> GRPOConfig:
    settings: dict[str, Any] = {"model": {"path": "m"}, "train_data": {"source": "t"}}
    settings |= {"rewards": [{"function": "maths"}], "steps": 1}
    settings |= {"generator": {"gpus": gpus, "tensor_parallel_size": max(1, gpus), "replicas": replicas}}
    return GRPOConfig.model_validate(settings | changes)


def test_a_generator_over_more_gpus_than_a_node_has_is_refused_though_the_cluster_has_them() -> None:
    require_resources(split_over(4), cluster((8, 4), (8, 2)))
    said = "each generator asks for 1 CPUs and 4 GPUs of one node, and 1 of them are asked for: what is free on "
    said += "the cluster's nodes (8 CPUs, 3 GPUs; 8 CPUs, 3 GPUs) has room for 0; lower generator.gpus"
    with pytest.raises(ResourceError, match=re.escape(said)):
        require_resources(split_over(4), cluster((8, 3), (8, 3)))


def test_as_many_as_fit_on_the_nodes_are_counted_node_by_node() -> None:
    require_resources(split_over(2, replicas=2), cluster((8, 3), (8, 3)))
    with pytest.raises(ResourceError, match=r"3 of them are asked for: .* has room for 2"):
        require_resources(split_over(2, replicas=3), cluster((8, 3), (8, 3)))
    ranks = {"learner": {"workers": 3, "gpus_per_worker": 1}}
    with pytest.raises(ResourceError, match=r"each learner rank asks for 1 CPUs and 1 GPUs .* has room for 2"):
        require_resources(split_over(0, **ranks), cluster((8, 0), (8, 2)))
    half = {"generator": {"gpus": 0.5, "tensor_parallel_size": 1}, "learner": {"gpus_per_worker": 0.5}}
    require_resources(split_over(0, **half), cluster((8, 1)))


def test_a_gpu_on_which_two_take_turns_is_asked_for_once() -> None:
    turns = {"generator": {"gpus": 1, "replicas": 2}, "learner": {"workers": 2, "gpus_per_worker": 1}, "colocate": True}
    config = split_over(1, **turns)
    assert needed_resources(config) == {"CPU": 4.0, "GPU": 2.0}
    require_resources(config, cluster((4, 2)))
    with pytest.raises(
        ResourceError, match=r"each learner rank, with the generator beside it, asks for 2 CPUs and 1 GP"
    ):
        require_resources(config, cluster((1, 1), (4, 1)))


def test_gpus_that_a_run_leaves_idle_are_pointed_out() -> None:
    assert "3 GPUs are free, and this run reserves none" in gpu_notice(split_over(0), cluster((8, 3)))
    assert gpu_notice(split_over(0), cluster((8, 0))) == gpu_notice(split_over(1), cluster((8, 3))) == ""


def test_a_cluster_that_can_grow_is_counted_as_it_can_become(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run has three of its four GPUs; four more can come."""
    monkeypatch.setattr("ray.available_resources", lambda: {"CPU": 2.0, "GPU": 1.0})
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 4.0})
    monkeypatch.delenv(MOST, raising=False)
    assert reachable_resources() == {"CPU": 2.0, "GPU": 1.0}
    monkeypatch.setenv(MOST, '{"CPU": 8, "GPU": 8}')
    assert reachable_resources() == {"CPU": 2.0, "GPU": 5.0}
    run = {"model": {"path": "m"}, "eval_data": {"source": "d"}}
    fits, large = (
        EvalConfig.model_validate(run | {"generator": {"replicas": n, "gpus": 1, "cpus": 0}}) for n in (5, 6)
    )
    require_resources(fits, Cluster(reachable_resources(), None))
    with pytest.raises(ResourceError, match=r"asks for 6 GPUs .* has 5 free"):
        require_resources(large, Cluster(reachable_resources(), None))


@pytest.mark.parametrize("value", ["8", "{", '{"GPU": "many"}', "[]"])
def test_what_it_can_grow_to_is_numbers_by_names(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.available_resources", dict)
    monkeypatch.setattr("ray.cluster_resources", dict)
    monkeypatch.setenv(MOST, value)
    with pytest.raises(ConfigError, match=f"{MOST}=.*unset it"):
        reachable_resources()


WORKERS = """
import os
import ray
from rayrl.processor import openmp
from rayrl.train import cluster

@ray.remote(num_cpus=0)
class Idle:
    def pid(self):
        return os.getpid()

with cluster.connect():
    idle = Idle.remote()
    pid = ray.get(idle.pid.remote())
    assert pid in [worker.pid for worker in cluster._workers()]
    libraries = open(f"/proc/{pid}/maps").read()
    assert [name for name in openmp().get("LD_PRELOAD", "").split(":") if name not in libraries] == []
    print(pid)
assert cluster._workers() == []
os._exit(0)
"""


@pytest.mark.timeout(120)
def test_the_workers_of_a_ray_that_was_started_here_are_found_compute_by_its_openmp_and_end_with_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, env=environment, check=True)
    assert not psutil.pid_exists(int(done.stdout.split()[-1]))


@pytest.mark.parametrize(("seconds", "code"), [(0.3, 0), (60, -signal.SIGKILL)])
def test_workers_have_a_moment_to_end_and_are_killed_after_it(
    seconds: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = subprocess.Popen(["sleep", str(seconds)])
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr("rayrl.train.cluster._workers", lambda: [psutil.Process(worker.pid)])
    monkeypatch.setattr("rayrl.train.cluster.LINGER", 10.0 if seconds < 1 else 0.1)
    _shut_down()
    assert (worker.poll() if seconds < 1 else worker.wait(5)) == code
