"""How much memory a run takes on this machine: one rule, for a run of its own and for each trial of a study."""

import contextlib
import math
import os
import re
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil

from rayrl.config import EvaluationConfig, GRPOConfig, SFTConfig, TrainingConfig
from rayrl.errors import ConfigError, ModelError
from rayrl.train.cluster import generator_replicas, learner_ranks, takes_turns, verifier_actors
from rayrl.train.datasets import Datasets
from rayrl.units import GB

RAY = 1_100_000_000  # its head processes (0.37 GB), Ray Train's three actors (0.55), the coordinator: measured, PSS
IMPORTED = 500_000_000  # a process that has imported torch, transformers and Ray, before it holds anything: 0.4-0.6 GB
VERIFIER = 80_000_000  # the actor, and as much for each of two worker processes with SymPy
CGROUP = Path("/sys/fs/cgroup")
KILLS_AT = "RAY_memory_usage_threshold"
"""The share of a node's memory above which Ray kills what runs on it; 0.95 where the environment does not say."""
LOOKS_EVERY = "RAY_memory_monitor_refresh_ms"
"""How often Ray looks; at 0 it never does, and kills nothing."""


@dataclass(frozen=True, slots=True)
class RunMemory:
    """Bytes of a run's processes, all on one machine; parts that lie on a GPU are not counted.

    learners: of all ranks, with activations (`learner.memory`). generators: weights in the generator's dtype and the KV
    cache of each; of those that take turns on GPUs the weights, which lie here while they sleep. sync: weights on their
    way, all of it in shared memory: `stored_bytes` once, `file_bytes` for each generator. processes: interpreters with
    what they import (driver, ranks, two for each generator, three on CPU), Ray's own, verifiers. checkpoints: all
    ranks' copies of what is written in the background, wherever they compute.
    """

    learners: int
    generators: int
    sync: int
    processes: int
    checkpoints: int

    @property
    def total(self) -> int:
        return sum(astuple(self))


@dataclass(frozen=True, slots=True)
class PartMemory:
    """Bytes of one of each of a run's parts.

    learner: one rank, without `mapped_bytes`. generator: one. sent: one version of what trains, as it is sent. copied:
    what one rank copies to write it in the background. base: weights that the learner rounded to 4 bits, where they are
    sent: as they are, once.
    """

    learner: int
    generator: int
    sent: int
    copied: int = 0
    base: int = 0


def run_memory(config: EvaluationConfig, parts: PartMemory) -> RunMemory:
    """Memory of a run with these settings and parts."""
    ranks = learner_ranks(config)
    on_gpu = isinstance(config, TrainingConfig) and config.learner.gpus_per_worker
    replicas = generator_replicas(config)
    verifiers = verifier_actors(config) * (1 + config.verifier.processes_per_actor)
    return RunMemory(
        learners=0 if on_gpu else ranks * parts.learner,
        generators=replicas * parts.generator if takes_turns(config) or not config.generator.gpus else 0,
        sync=stored_bytes(parts) + replicas * file_bytes(parts) if replicas else 0,
        processes=RAY + IMPORTED * (1 + ranks + (2 if config.generator.gpus else 3) * replicas) + VERIFIER * verifiers,
        checkpoints=ranks * parts.copied,
    )


def stored_bytes(parts: PartMemory) -> int:
    """Of weights in Ray's object store: this version and the one before, and the base, which is kept for generators
    that start again."""
    return 2 * parts.sent + parts.base


def file_bytes(parts: PartMemory) -> int:
    """Of weights that one generator is to load, as files in /dev/shm: at the most a version and the base at once."""
    return parts.sent + parts.base


def mapped_bytes(config: TrainingConfig, sent_bytes: int) -> int:
    """Of a rank's resident memory on CPU: pages of the object store that it has written, of two versions as they are
    sent. They are shared, and in `RunMemory.sync`."""
    return 2 * sent_bytes if config.samples and not config.learner.gpus_per_worker else 0


def require_memory(config: EvaluationConfig, needed: RunMemory, largest: int = 0) -> None:
    """Raises ModelError where this machine's memory cannot hold what runs here.

    Args:
        config: The settings.
        needed: Of all processes.
        largest: Packed tokens of the largest micro-batch that is part of it; 0: none is.

    On a cluster that is already there (RAY_ADDRESS) the machines are unknown: Ray and vLLM report for themselves.
    """
    available = memory_available()
    if "RAY_ADDRESS" not in os.environ and needed.total > available:
        longest = "target" if isinstance(config, SFTConfig) else "sampling"
        lower = (
            f"the largest micro-batch has {largest} tokens: lower learner.microbatch_tokens "
            f"({config.learner.microbatch_tokens}) or {longest}.max_tokens; or "
            if isinstance(config, TrainingConfig) and largest
            else ""
        )
        raise ModelError(
            f"model.path: {config.model.path!r} needs about {needed.total / GB:.1f} GB on this machine (learners "
            f"{needed.learners / GB:.1f}, generators {needed.generators / GB:.1f}, weights on their way "
            f"{needed.sync / GB:.1f}, processes {needed.processes / GB:.1f}, copies for checkpoints "
            f"{needed.checkpoints / GB:.1f}), {available / GB:.1f} GB are free up to {kills_at():.0%} of its "
            f"memory; {lower}lower generator.kv_cache_gb, "
            f"{'unset checkpoint.background, ' if needed.checkpoints else ''}freeze more (freeze.preset), use a "
            "smaller model or more machines"
        )


def memory_slots(run_bytes: int) -> float | None:
    """How many runs of this size this machine's free memory holds; None on a cluster that is already there."""
    return None if "RAY_ADDRESS" in os.environ else memory_available() / run_bytes


def memory_available() -> int:
    """Free memory in bytes, up to where Ray kills: the machine's, or what the container's limit leaves.

    Pages of files that have not been used lately are dropped before the limit is met: they count as free, as Kubernetes
    counts them.
    """
    machine = psutil.virtual_memory()
    limit, free = int(machine.total), int(machine.available)
    with contextlib.suppress(OSError, ValueError):
        most, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        cached = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE)
        limit, free = min(limit, most), min(free, most - used + int(cached[1] if cached else 0))
    return free - round((1 - kills_at()) * limit)


def kills_at() -> float:
    """Share of a machine's memory above which Ray kills; 1 where it does not.

    Raises ConfigError where the environment gives no share.
    """
    if os.environ.get(LOOKS_EVERY, "").strip() == "0":
        return 1.0
    text = os.environ.get(KILLS_AT, "0.95")
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1:
            return float(text)
    raise ConfigError(f"{KILLS_AT}: {text!r} is no share of memory; set it above 0 and up to 1 (0.95), or unset it")


def largest_microbatch(config: TrainingConfig, data: Datasets) -> int:
    """Most packed tokens that a learner rank can have to hold at once, each completion being as long as it may."""
    if isinstance(config, GRPOConfig):
        return microbatch_of(config, max(len(prompt.token_ids) for prompt in data.train))
    assert data.examples is not None
    return microbatch_of(config, int(data.examples.lengths().max()))


def microbatch_of(config: TrainingConfig, longest: int) -> int:
    """As `largest_microbatch`, where the longest prompt, in SFT the longest example, has `longest` tokens.

    Trees are cut to `microbatch_tokens`, but no row is.
    """
    if isinstance(config, GRPOConfig):
        row, tree = (longest + count * config.sampling.max_tokens for count in (1, config.group_size))
        trees = config.prompts_per_step // config.updates_per_step
    else:
        assert isinstance(config, SFTConfig)
        row = tree = longest
        trees = config.examples_per_step
    share = math.ceil(trees / config.learner.workers)
    return min(share * tree, max(config.learner.microbatch_tokens, row))
