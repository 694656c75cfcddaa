"""How long the phases of a step take on GPUs, reckoned from shapes and the rates of `estimate`: nothing is measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig
from rayrl.learner.structure import ParameterShape, Structure
from rayrl.train.memory import PartMemory
from rayrl.train.step_load import StepLoad
from rayrl.units import GB

HOST_COPIES = 4  # of packets
SEQUENCES = 1024  # that vLLM runs at once on an H100, where `generator.max_sequences` leaves it open
KEPT_COPIES = 1  # of what goes from GPU to GPU: at most, as it is pinned and beside the broadcast


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Seconds of one step's phases. Infinite: the GPUs have no room for it."""

    generate: float  # 0 in SFT
    train: float
    sync: float  # 0 in SFT
    staleness: int

    def step(self, staleness: int | None = None) -> float:
        """Of a whole step. Where samples may be old, generators work while the learner trains and sends.

        Args:
            staleness: None: as the run's.
        """
        learner = self.train + self.sync
        overlaps = self.staleness if staleness is None else staleness
        return max(self.generate, learner) if overlaps else self.generate + learner

    @property
    def learner_idle(self) -> float:
        """Share of a step in which the learner does not train; NaN without room."""
        return 1 - self.train / self.step() if math.isfinite(self.step()) else math.nan

    @property
    def generator_idle(self) -> float:
        """Share of a step in which generators do not sample; NaN without room."""
        return 1 - self.generate / self.step() if math.isfinite(self.step()) else math.nan

    def record(self) -> dict[str, float | None]:
        """Seconds by phase, for plan.json. None: no room."""
        seconds = {"generate": self.generate, "train": self.train, "sync": self.sync, "step": self.step()}
        return {f"{phase}_s": value if math.isfinite(value) else None for phase, value in seconds.items()}


def phase_times(config: TrainingConfig, structure: Structure, mean_tokens: float, parts: PartMemory) -> PhaseTimes:
    """Seconds of one step's phases.

    Args:
        config: Settings; the rates are `estimate`'s.
        structure: A dense model: every weight is taken to multiply every token.
        mean_tokens: Of a prompt, in SFT of an example.
        parts: Bytes of a rank, a generator, and of the weights that are sent.
    """
    load = StepLoad.of(config, mean_tokens)
    if isinstance(config, SFTConfig):
        return PhaseTimes(0.0, _train_s(config, structure, load, parts), 0.0, 0)
    assert isinstance(config, GRPOConfig)
    return PhaseTimes(
        _generate_s(config, structure, load, parts),
        _train_s(config, structure, load, parts),
        _sync_s(config, parts),
        0 if on_one_gpu(config) else config.max_staleness,
    )


def on_one_gpu(config: TrainingConfig) -> bool:
    """Whether learner and generator share a GPU: then neither works while the other does, at any staleness."""
    return config.colocate or (config.generator.gpus < 1 and config.learner.gpus_per_worker < 1)


def splits(config: TrainingConfig) -> Iterator[tuple[int, int]]:
    """(ranks, generators) that the run's GPUs can be divided into, about eight where there are more; the run's own too.

    One alone in SFT, and where two share a GPU.
    """
    learner, generator = config.learner, config.generator
    own = (learner.workers, generator.replicas)
    if isinstance(config, SFTConfig) or config.colocate or generator.gpus < 1 or learner.gpus_per_worker < 1:
        yield own
        return
    gpus, each = int(learner.workers + generator.replicas * generator.gpus), int(generator.gpus)
    for replicas in sorted({max(1, round(gpus / each * eighth / 8)) for eighth in range(1, 8)} | {own[1]}):
        workers = gpus - replicas * each
        shards, left = divmod(workers, learner.replicate)
        if not left and shards >= min(2, learner.replicate):
            yield workers, replicas


def cache_room(config: TrainingConfig, weights: int) -> float:
    """Bytes that the GPUs of one generator have for its KV cache, beside its weights; negative: none, not even for
    these."""
    gpus, generator = max(1.0, config.generator.gpus), config.generator
    if config.shares_gpu:
        return generator.kv_cache_gb * GB
    return gpus * config.estimate.hbm_gb * GB * generator.gpu_memory_utilization - weights


def _generate_s(config: GRPOConfig, structure: Structure, load: StepLoad, parts: PartMemory) -> float:
    """Prefill by FLOPs, once a group; then a token step for all sequences at once, which reads the weights and the
    cache, or multiplies, whichever takes longer. Sequences without room in the cache wait for one that ends."""
    generator, rates = config.generator, config.estimate
    gpus = max(1.0, generator.gpus)
    groups = math.ceil(load.prompts / generator.replicas)
    cached = 2 * structure.key_value_width  # bytes of a token, bfloat16
    each = max(1.0, cached * (load.prompt / load.group + load.completion))  # a model without attention caches little
    fitting = int(cache_room(config, parts.generator) / each)
    sequences = groups * load.group
    at_once = generator.max_sequences or SEQUENCES
    active = min(sequences, at_once, generator.max_concurrent_prompts * load.group, fitting)
    if active < 1:
        return math.inf
    flops = sum(2 * one.size for one in _matrices(structure))  # of a token
    read = parts.generator + active * cached * (load.prompt + load.completion / 2)
    token_step = max(read / rates.hbm, active * flops / rates.flops) / gpus
    return groups * load.prompt * flops / rates.flops / gpus + sequences / active * load.completion * token_step


def _train_s(config: TrainingConfig, structure: Structure, load: StepLoad, parts: PartMemory) -> float:
    """FLOPs, or what FSDP gathers and reduces meanwhile, whichever takes longer; then gradients between copies."""
    learner, rates = config.learner, config.estimate
    if parts.learner > rates.hbm_gb * GB:
        return math.inf
    compute = _train_flops(structure, load, learner.activation_checkpointing) / learner.workers / rates.flops
    longest = max(learner.microbatch_tokens, load.prompt + load.completion)
    microbatches = load.updates * math.ceil(load.tokens / load.updates / learner.workers / longest)
    width = 2 if config.model.compute_dtype == "bfloat16" else 4
    gathered = sum(one.size // 2 if one.nf4 else width * one.size for one in structure.parameters)
    moved = microbatches * (gathered * (2 + load.forwards) + 4 * structure.trained_size)
    within = learner.shards <= rates.gpus_per_node
    traffic = moved * (1 - 1 / learner.shards) / (rates.link if within else rates.network)
    between = rates.link * learner.shards if learner.workers <= rates.gpus_per_node else rates.network
    copies = load.updates * 8 * structure.trained_size * (1 - 1 / learner.replicate) / between
    return max(compute, traffic) + copies


def _train_flops(structure: Structure, load: StepLoad, checkpointing: bool) -> float:
    """Forward, gradients of activations from the lowest parameter that trains on, gradients of what trains, and what is
    computed twice: layers by checkpointing, the head always. Attention: two products of queries with all they see."""
    reached = {one.name: one.layer for one in dropwhile(lambda one: not one.trains, structure.parameters)}
    layers = {one.layer for one in structure.parameters} - {None}
    share = len(set(reached.values()) - {None}) / len(layers)
    weights = 0.0  # multiplications of a token
    for one in _matrices(structure):
        head = one.layer is None
        backward = (1 + (checkpointing or head)) * (head or one.name in reached)
        weights += one.size * (1 + load.forwards + backward + one.trains)
    attention = 2 * structure.query_width * (1 + load.forwards + share * (2 + checkpointing))
    return 2 * (weights * load.tokens + attention * load.seen)


def _matrices(structure: Structure) -> list[ParameterShape]:
    """Those that multiply every token: all but the input embedding, which counts where it is the head too."""
    embedding = next(one for one in structure.parameters if one.layer is None)
    looked_up = embedding.name not in structure.tied.values()
    return [one for one in structure.parameters if len(one.shape) == 2 and not (looked_up and one is embedding)]


def _sync_s(config: GRPOConfig, parts: PartMemory) -> float:
    """What goes over the wire, and copies through host memory: packets go from a GPU to the object store, a file and a
    GPU; otherwise rank 0 keeps one of what it sends (`WeightSender.send`)."""
    learner, generator, rates = config.learner, config.generator, config.estimate
    others = 0 if config.colocate else generator.replicas * generator.gpus
    gpus = learner.workers * learner.gpus_per_worker + others
    nodes = math.ceil(gpus / rates.gpus_per_node)
    wire = {
        "packets": (nodes - 1) / rates.network,
        "nccl": 1 / (rates.link if nodes == 1 else rates.network),
        "ipc": 0.0,
    }
    copies = HOST_COPIES if config.weight_transfer == "packets" else KEPT_COPIES
    return parts.sent * (wire[config.weight_transfer] + copies / rates.host)
