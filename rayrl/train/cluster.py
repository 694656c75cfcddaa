"""The Ray cluster of a run: the one that is there, or one on this machine for its duration."""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray._private.state import available_resources_per_node

from rayrl.config import EvaluationConfig, TrainingConfig
from rayrl.errors import ConfigError, ResourceError
from rayrl.processor import openmp
from rayrl.template.client import SERVER
from rayrl.template.ray_workers import forked_workers

# Of actors and tasks: in a trial they are scheduled as anywhere else, not in the room that Ray Tune keeps for it
# (github.com/ray-project/ray/issues/25239).
ANYWHERE = "DEFAULT"

MANY = 1 << 30

MOST = "RAYRL_CLUSTER_MOST"
"""Environment variable: what a cluster with an autoscaler can grow to, as JSON. Ray itself does not say it."""

STARTS = 3
"""Times that Ray is started on this machine before a run gives up."""

LINGER = 10.0
"""Seconds that workers have to end after Ray has."""

RETRY = (
    "the machine may be busy: try again when it is less so, a run with --run.resume true, a study or sweep with "
    "--study.resume true or --sweep.resume true"
)

# Ray Train and Ray's workers tell little that a user of a run needs; the run's own view does.
QUIET = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TOKENIZERS_PARALLELISM": "false",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # github.com/ray-project/ray/issues/54868
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """free: resources of all nodes together, by kind, with what it can grow by (`MOST`). nodes: what is free of each;
    None: others may come."""

    free: dict[str, float]
    nodes: list[dict[str, float]] | None


def _cluster(free: dict[str, float], nodes: list[dict[str, float]]) -> Cluster:
    return Cluster(free, None if MOST in os.environ else nodes)


@contextmanager
def connect() -> Iterator[Cluster]:
    """Yields the cluster.

    A trial of a study is connected already, to a cluster that the study has divided: all of it counts as free. A
    cluster named by RAY_ADDRESS (as in a Ray job) is used and left running; without one, Ray starts here and is shut
    down with every process of the run.

    Raises:
        ResourceError: No such cluster, or Ray did not start.
    """
    if ray.is_initialized():
        yield _cluster(ray.cluster_resources(), [node["Resources"] for node in ray.nodes() if node["Alive"]])
        return
    verbose = os.environ.get("RAYRL_VERBOSE") == "1"
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ |= openmp()
    if "RAY_ADDRESS" in os.environ:
        names = [*QUIET, *openmp(), *(name for name in ("PYTHONPATH",) if name in os.environ)]
        options: dict[str, Any] = {"runtime_env": {"env_vars": {name: os.environ[name] for name in names}}}
    else:  # workers inherit this environment, and start faster than with one made for them
        options = {"include_dashboard": False, "num_cpus": max(2, len(os.sched_getaffinity(0)))}
    level = logging.INFO if verbose else logging.ERROR
    start_ray(**options, log_to_driver=verbose, logging_level=level)
    for name in ("ray.train", "ray.tune", "ray"):
        logging.getLogger(name).setLevel(level)
    try:
        yield _cluster(reachable_resources(), free_nodes())
    finally:
        _shut_down()


def _shut_down() -> None:
    """Ends Ray. Where it was started here, its workers have ended too: they take a moment to see it, and one that does
    not is killed after LINGER."""
    workers = _workers()
    ray.shutdown()
    deadline = time.monotonic() + LINGER
    while (left := [one for one in workers if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _workers() -> list[psutil.Process]:
    """Below the raylets that this process started, and the template that they are forked from."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == "raylet" or SERVER in child.cmdline():
                found += child.children(recursive=True)
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def reachable_resources() -> dict[str, float]:
    """What is free in the cluster, and what nodes may bring that its autoscaler can still add.

    Raises:
        ConfigError: `MOST` holds no numbers by names of resources.
    """
    free: dict[str, float] = ray.available_resources()
    has: dict[str, float] = ray.cluster_resources()
    try:
        most = {str(kind): float(amount) for kind, amount in json.loads(os.environ.get(MOST, "{}")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f'{MOST}={os.environ[MOST]!r}: write it as \'{{"CPU": 64, "GPU": 8}}\', or unset it'
        ) from error
    return free | {kind: free.get(kind, 0.0) + max(0.0, most[kind] - has.get(kind, 0.0)) for kind in most}


def free_nodes() -> list[dict[str, float]]:
    """What is free of each node: as much of a kind can be free in all, and no node have it together."""
    return list(available_resources_per_node().values())


def start_ray(**options: Any) -> None:
    """`ray.init`. On this machine again where it failed: Ray gives its processes 30 s, which a busy machine can miss.

    Raises:
        ResourceError: It failed, on this machine `STARTS` times.
    """
    address = os.environ.get("RAY_ADDRESS")
    for start in range(1, STARTS + 1):
        try:
            _knock(address or "")
            with forked_workers():
                ray.init(**options)
            return
        except Exception as error:  # Ray raises bare ones
            ray.shutdown()
            if address or start == STARTS:
                fix = "check RAY_ADDRESS, or unset it and Ray starts on this machine" if address else RETRY
                raise ResourceError(f"Ray did not start on {address or 'this machine'}: {error}; {fix}") from error


def _knock(address: str) -> None:
    """Raises OSError where nothing listens at HOST:PORT: Ray itself would try for minutes
    (github.com/ray-project/ray/issues/46863)."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def _require_nodes(config: EvaluationConfig, nodes: Sequence[Mapping[str, float]]) -> None:
    """Raises ResourceError where Ray would wait for a node that is not there: for a process that fits none, such as a
    generator over more GPUs than one node has, or for as many of a kind as fit on none together."""
    for what, count, setting, bundle in _bundles(config):
        room = sum(_times(bundle, node) for node in nodes)
        if room < count:
            asked = " and ".join(f"{amount:g} {kind}s" for kind, amount in bundle.items() if amount)
            have = "; ".join(", ".join(f"{node.get(kind, 0):g} {kind}s" for kind in ("CPU", "GPU")) for node in nodes)
            raise ResourceError(
                f"each {what} asks for {asked} of one node, and {count} of them are asked for: what is free on the "
                f"cluster's nodes ({have}) has room for {room}; lower {setting}, or add nodes"
            )


def _bundles(config: EvaluationConfig) -> Iterator[tuple[str, int, str, dict[str, float]]]:
    """(what, how many, by which settings, what each reserves) of a run's processes."""
    generator = {"CPU": float(config.generator.cpus), "GPU": float(config.generator.gpus)}
    beside = takes_turns(config)
    if not beside:
        yield "generator", generator_replicas(config), "generator.gpus, generator.cpus or generator.replicas", generator
    yield "verifier", verifier_actors(config), "verifier.cpus or verifier.actors", {"CPU": float(config.verifier.cpus)}
    if isinstance(config, TrainingConfig):
        learner = config.learner
        cpus = float(learner.cpus_per_worker) + (generator["CPU"] if beside else 0.0)
        fields = "learner.gpus_per_worker, learner.cpus_per_worker or learner.workers"
        what = "learner rank, with the generator beside it," if beside else "learner rank"
        yield what, learner_ranks(config), fields, {"CPU": cpus, "GPU": float(learner.gpus_per_worker)}


def _times(bundle: Mapping[str, float], node: Mapping[str, float]) -> int:
    """How often a bundle fits a node; Ray counts in ten-thousandths."""
    fits = [round(1e4 * node.get(kind, 0.0)) // round(1e4 * amount) for kind, amount in bundle.items() if amount]
    return min(fits, default=MANY)


def require_resources(config: EvaluationConfig, cluster: Cluster) -> None:
    """Raises ResourceError where the cluster can never give what the run asks for."""
    if cluster.nodes is not None:
        _require_nodes(config, cluster.nodes)
    available = cluster.free
    needed = needed_resources(config)
    for kind, amount in needed.items():
        if amount > available.get(kind, 0.0):
            raise ResourceError(
                f"the run asks for {amount:g} {kind}s (generators {generator_replicas(config)}, verifiers "
                f"{verifier_actors(config)}, learner ranks {learner_ranks(config)}), the Ray cluster has "
                f"{available.get(kind, 0.0):g} free; lower generator.cpus/gpus, learner.cpus_per_worker/"
                "gpus_per_worker or their counts, or add nodes"
            )


def gpu_notice(config: EvaluationConfig, cluster: Cluster) -> str:
    """What is to be said of GPUs that a run leaves idle; empty: it uses some, or there are none."""
    if not (free := cluster.free.get("GPU", 0.0)) or needed_resources(config)["GPU"]:
        return ""
    return (
        f"{free:g} GPUs are free, and this run reserves none: set generator.gpus (1) and learner.gpus_per_worker (1); "
        "with a single GPU colocate too (docs/cluster.md)"
    )


def needed_resources(config: EvaluationConfig) -> dict[str, float]:
    """What all actors of a run reserve."""
    needed = {"CPU": 0.0, "GPU": 0.0}
    for _, count, _, bundle in _bundles(config):
        for kind, amount in bundle.items():
            needed[kind] += count * amount
    return needed


def learner_ranks(config: EvaluationConfig) -> int:
    """Learner ranks of a run: none where a model is evaluated without one."""
    return config.learner.workers if isinstance(config, TrainingConfig) else 0


def generator_replicas(config: EvaluationConfig) -> int:
    """Generators of a run: none where nothing is sampled."""
    return config.generator.replicas if config.samples else 0


def takes_turns(config: EvaluationConfig) -> bool:
    """Whether each generator is beside a learner rank, on the same GPU."""
    return config.samples and isinstance(config, TrainingConfig) and config.colocate


def verifier_actors(config: EvaluationConfig) -> int:
    """Verifier actors of a run: none where nothing is sampled."""
    return config.verifier.actors if config.samples else 0
