"""What a pod needs, line by line: the estimates of `rayrl.train.memory`, each for what can be on one pod."""

import math
from dataclasses import dataclass, field

from rayrl.config import GRPOConfig, TrainingConfig
from rayrl.errors import ConfigError
from rayrl.k8s.layout import Group, Mix
from rayrl.train.cluster import takes_turns, verifier_actors
from rayrl.train.memory import IMPORTED, RAY, VERIFIER, file_bytes, run_memory, stored_bytes
from rayrl.train.plan import RunPlan
from rayrl.units import GB

GIB = 1 << 30
CUDA = 3 * GB  # host memory of a process with a CUDA context, beside what it has imported: own choice, not measured
IN_STORE = 1 * GB  # prompts, completions and records in Ray's object store: own choice; 700,000 tokens took 0.01 GB
IN_SHM = 1 * GB  # NCCL's, gloo's and vLLM's own: own choice
ROWS = 4 * GB  # rows that the driver reads and tokenizes: own choice
LOGS = 20 * GIB  # Ray's logs, compiled kernels: own choice
MARGIN = 0.1  # for what no line has: own choice


@dataclass(slots=True)
class Sum:
    """An amount with its parts, as it is printed above the amount."""

    lines: dict[str, float] = field(default_factory=dict)
    """By what it is for; parts of 0 are left out."""

    def add(self, what: str, amount: float) -> None:
        if amount:
            self.lines[what] = amount

    @property
    def total(self) -> float:
        return sum(self.lines.values())

    @property
    def gib(self) -> int:
        """For bytes: whole GiB."""
        return math.ceil(self.total / GIB)

    @property
    def rounded(self) -> int:
        return math.ceil(self.total)


@dataclass(frozen=True, slots=True)
class PodSize:
    """Of one pod; amounts but `cpus` are in bytes. `memory` holds all of `shared`, `shared` all of `store`."""

    cpus: Sum
    memory: Sum
    shared: Sum
    """/dev/shm."""
    store: Sum
    """Ray's object store."""


def pod_size(plan: RunPlan, group: Group) -> PodSize:
    """Of a pod of this group, whichever of its mixes comes to be there."""
    store, shared = _shared(plan, max(mix.generators for mix in group.mixes))
    memory = max((_memory(plan, mix) for mix in group.mixes), key=lambda one: one.total)
    memory.add("/dev/shm", shared.total)
    memory.add(f"{MARGIN:.0%} more", MARGIN * memory.total)
    cpus = max((_cpus(plan.config, mix) for mix in group.mixes), key=lambda one: one.total)
    return PodSize(cpus, memory, shared, store)


def head_size(plan: RunPlan) -> PodSize:
    """Of the pod with Ray's head and the driver. The coordinator and verifiers, which reserve no CPU, may be there."""
    store, shared, memory, cpus = Sum(), Sum(), Sum(), Sum()
    store.add("prompts, completions, records", IN_STORE)
    shared.add("Ray's object store", store.total)
    verifiers = _verifier_processes(plan.config)
    memory.add("Ray, driver, coordinator, verifiers", RAY + 2 * IMPORTED + VERIFIER * verifiers)
    memory.add("rows that the driver reads", ROWS)
    memory.add("/dev/shm", shared.total)
    memory.add(f"{MARGIN:.0%} more", MARGIN * memory.total)
    cpus.add("Ray and the driver", 2)
    cpus.add("verifiers", verifiers)
    return PodSize(cpus, memory, shared, store)


def claim_size(plan: RunPlan) -> Sum:
    """Bytes that the run comes to hold on the claim for runs."""
    found = Sum()
    found.add("the model as it is fetched", plan.structure.stored_width * plan.structure.base_size)
    found.add("checkpoints and the exported model", plan.kept_bytes)
    found.add("a checkpoint while it is written", plan.state_bytes)
    return found


def _memory(plan: RunPlan, mix: Mix) -> Sum:
    """Without /dev/shm."""
    config = plan.config
    held, found = run_memory(_with(config, mix), plan.parts), Sum()
    processes = mix.ranks * bool(config.learner.gpus_per_worker) + mix.generators * math.ceil(config.generator.gpus)
    found.add(f"{counted(mix.ranks, 'learner rank')}, on CPU", held.learners)
    where = "asleep" if takes_turns(config) else "on CPU"
    found.add(f"{counted(mix.generators, 'generator')}, {where}", held.generators)
    found.add("Ray, interpreters, verifiers", held.processes)
    found.add(f"CUDA of {processes} processes", CUDA * processes)
    found.add("copies for checkpoints in the background", held.checkpoints)
    found.add("what is exported, on rank 0", plan.exporting_bytes if mix.ranks else 0)
    return found


def _shared(plan: RunPlan, generators: int) -> tuple[Sum, Sum]:
    """Ray's object store, and all of /dev/shm."""
    store, shared, parts = Sum(), Sum(), plan.parts
    store.add("prompts, completions, records", IN_STORE)
    if plan.config.samples:
        base = ", and the base that NF4 rounded" if parts.base else ""
        store.add(f"weights on their way: this version and the one before{base}", stored_bytes(parts))
    shared.add("Ray's object store", store.total)
    shared.add(f"files from which {counted(generators, 'generator')} may load weights", generators * file_bytes(parts))
    shared.add("NCCL, gloo, vLLM", IN_SHM)
    return store, shared


def _cpus(config: TrainingConfig, mix: Mix) -> Sum:
    """On GPUs a core for each busy process, on CPU for each thread; never fewer than Ray reserves."""
    learner, generator, found = config.learner, config.generator, Sum()
    rank = 2 if learner.gpus_per_worker else _threads("learner", learner.threads)
    copy = 0
    if mix.generators:
        copy = 2 + math.ceil(generator.gpus) if generator.gpus else _threads("generator", generator.threads)
    ranks, copies = counted(mix.ranks, "learner rank"), counted(mix.generators, "generator")
    reserved = mix.ranks * learner.cpus_per_worker, mix.generators * generator.cpus
    busy = mix.ranks * rank, mix.generators * copy
    if not (learner.gpus_per_worker or generator.gpus or (isinstance(config, GRPOConfig) and config.max_staleness)):
        found.add(f"threads of {ranks} or {copies}, which take turns", max(*busy, sum(reserved)))
        return found
    at_ranks = "one computes, one writes and sends" if learner.gpus_per_worker else "threads"
    at_copies = "actor, scheduler, one a GPU" if generator.gpus else "threads"
    found.add(f"{ranks}: {at_ranks}", max(busy[0], reserved[0]))
    found.add(f"{copies}: {at_copies}", max(busy[1], reserved[1]))
    found.add("verifiers", _verifier_processes(config))
    found.add("Ray", 1)
    return found


def _threads(part: str, threads: int | None) -> int:
    if threads is None:
        raise ConfigError(
            f"{part}.threads: left out it is all cores, which in a container may be the node's; say how many the pod "
            f"is to have, such as --{part}.threads 4"
        )
    return threads


def counted(number: int, thing: str) -> str:
    """Such as '1 pod' and '2 pods'."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _verifier_processes(config: TrainingConfig) -> int:
    return verifier_actors(config) * (1 + config.verifier.processes_per_actor)


def _with(config: TrainingConfig, mix: Mix) -> TrainingConfig:
    """The settings of a run of this mix alone."""
    learner = config.learner.model_copy(update={"workers": mix.ranks})
    generator = config.generator.model_copy(update={"replicas": mix.generators})
    return config.model_copy(update={"learner": learner, "generator": generator})
