"""How much memory a learner takes, before anything is loaded."""

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass
from math import prod

from rayrl.config import LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.adapter import nf4_scale_bytes
from rayrl.learner.head import CHUNK_LOGITS, CPU_LOGITS

Shape = tuple[int, ...]
CPU_OVERHEAD = 400_000_000  # libraries that come with a model, and what malloc keeps of loading it: 0.3-0.6 GB measured
HOLES = 0.4  # measured: 0.36 (QLoRA) and 0.41 (all trains) of it, 576 tokens in float32, glibc 2.36


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one rank, without `activations` and `holes`."""

    weights: int  # sharded: float32 of what trains; frozen as stored, under an adapter in the compute dtype or NF4
    gradients: int  # float32, sharded, of what trains
    optimizer: int  # AdamW's two moments, float32, sharded, of what trains
    gathered: int  # weights as they are computed with, whole where they are not resharded
    gathered_gradients: int  # of the unit in backward, in the compute dtype, before they are sharded
    unpacked: int  # the one NF4 weight that is being multiplied, in the compute dtype
    logits: int  # one chunk of the head, with its temporaries
    overhead: int  # on CPU: what is resident besides
    reference: int = 0  # base copy, in the compute dtype, sharded, of what trains: with a KL divergence to it

    @property
    def frozen(self) -> int:
        """Of `weights`: those that never train."""
        return self.weights - self.gradients  # float32 both

    @property
    def total(self) -> int:
        return sum(astuple(self))


def estimate(
    trainable: Mapping[str, bool],
    shapes: Mapping[str, Shape],
    units: Mapping[str, int | None],
    model: ModelSettings,
    learner: LearnerSettings,
    stored_bytes: int = 4,
    reference: bool = False,
    adapter: LoRASettings | None = None,
    quantizable: Collection[str] = (),
) -> Memory:
    """Memory of one of `learner.workers` ranks.

    Args:
        trainable: From `freeze.resolve`, or `adapter.prepare`.
        shapes: Of each parameter.
        units: The decoder layer of each parameter, None outside (`freeze.layer_of`): what FSDP gathers together.
        model: Compute dtype.
        learner: Ranks.
        stored_bytes: Width of a weight in the model's files, in which the frozen are kept.
        reference: Whether the objective has a KL divergence to the model that training started from.
        adapter: Then the base is held as it is computed with.
        quantizable: The weights that `adapter.quantize` holds in 4 bits.
    """
    ranks, width = learner.workers, _width(model)
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    packed = set(quantizable) if adapter and adapter.quantize else set()
    scales = sum(nf4_scale_bytes(sizes[name], adapter.double_quantization) for name in packed) if adapter else 0
    computed = {name: size // 2 if name in packed else width * size for name, size in sizes.items()}
    frozen = computed if adapter else {name: stored_bytes * size for name, size in sizes.items()}
    stored = {name: 4 * size if trainable[name] else frozen[name] for name, size in sizes.items()}
    # A lone rank computes with frozen weights as they lie there, where they need no cast (`model.shard`).
    gathered = {name: size for name, size in computed.items() if ranks > 1 or trainable[name] or stored[name] != size}
    trained = {name: size for name, size in sizes.items() if trainable[name]}
    root, layers = _by_unit(gathered, units)
    gradient_root, gradient_layers = _by_unit(trained, units)
    return Memory(
        weights=sum(stored.values()) // ranks + scales,
        gradients=4 * sum(trained.values()) // ranks,
        optimizer=8 * sum(trained.values()) // ranks,
        # On a lone rank all stay; else the root and two layers (one computing, one prefetched) are whole.
        gathered=root + (sum(layers) if ranks == 1 else sum(sorted(layers)[-2:])),
        gathered_gradients=width * (gradient_root + max(gradient_layers)),
        unpacked=width * max((sizes[name] for name in packed), default=0),
        logits=3 * 4 * (CHUNK_LOGITS if learner.gpus_per_worker else CPU_LOGITS) + width * CHUNK_LOGITS,
        overhead=0 if learner.gpus_per_worker else CPU_OVERHEAD,
        reference=width * sum(trained.values()) // ranks if reference else 0,
    )


def activations(
    trainable: Mapping[str, bool],
    shapes: Mapping[str, Shape],
    units: Mapping[str, int | None],
    model: ModelSettings,
    learner: LearnerSettings,
    tokens: int,
) -> int:
    """Bytes that a micro-batch of `tokens` tokens holds for its backward, by a rule of thumb.

    A layer keeps about what goes into and comes out of its matrices, in the compute dtype: on the embedded model 1.2
    times that where all trains, 0.8 times where only q and k do. Below the lowest parameter that trains nothing is
    kept. With checkpointing each layer keeps its input, and the one in backward the rest. Gradients take as much as one
    layer.

    Args:
        trainable, shapes, units, model, learner: As in `estimate`, parameters in the model's order.
        tokens: Packed tokens of the largest micro-batch.
    """
    hidden = next(shape[-1] for name, shape in shapes.items() if units[name] is None)
    layers: dict[int, int] = {}  # elements of a token
    reached = False
    for name, shape in shapes.items():
        unit = units[name]
        reached = reached or trainable[name]
        if reached and unit is not None and len(shape) == 2 and ".lora_" not in name:
            layers[unit] = layers.get(unit, 0) + sum(shape)
    largest = max(layers.values(), default=0)
    kept = len(layers) * hidden + largest if learner.activation_checkpointing else sum(layers.values())
    return _width(model) * tokens * (kept + largest)


def holes(
    trainable: Mapping[str, bool],
    shapes: Mapping[str, Shape],
    units: Mapping[str, int | None],
    model: ModelSettings,
    learner: LearnerSettings,
    tokens: int,
    quantized: Collection[str] = (),
) -> int:
    """Bytes that the C library's heap cannot use between what a micro-batch holds for its backward; on CPU.

    What a layer makes in its forward and drops leaves a hole between what it keeps. Small objects of the autograd graph
    settle there, and the next block of the same size no longer fits: of what was dropped HOLES stays unused until the
    backward is over (glibc counts it: `mallinfo2().fordblks` after a forward). Dropped are, for each token of a layer:

    - three float32 copies of what a norm is given: cast, square, product;
    - of queries and keys, in the compute dtype, what their rotation makes: two products, a turned copy and half of one;
    - beside an adapter three times what the matrix gives: the second factor's product, that scaled, the sum;

    and once a layer each weight that is unpacked from 4 bits. CUDA's allocator has bins of its own and is left out.

    Args:
        As `activations`; quantized: weights held in 4 bits.
    """
    if learner.gpus_per_worker:
        return 0
    width = _width(model)
    dropped: dict[int, int] = {}
    reached = False
    for name, shape in shapes.items():
        unit = units[name]
        reached = reached or trainable[name]
        if not reached or unit is None:
            continue
        each = 0
        if len(shape) == 1 and "norm" in name:
            each = 3 * 4 * shape[0]
        elif ".lora_B" in name:
            each = 3 * width * shape[0]
        elif name.endswith(("q_proj.weight", "k_proj.weight")):
            each = 7 * width * shape[0] // 2
        unpacked = width * prod(shape) if name in quantized else 0
        dropped[unit] = dropped.get(unit, 0) + tokens * each + unpacked
    between = max(dropped.values(), default=0) if learner.activation_checkpointing else sum(dropped.values())
    return int(HOLES * between)


def _width(model: ModelSettings) -> int:
    return 2 if model.compute_dtype == "bfloat16" else 4


def _by_unit(values: Mapping[str, int], units: Mapping[str, int | None]) -> tuple[int, list[int]]:
    """Sum outside the layers, and in each layer."""
    totals: dict[int | None, int] = {None: 0, 0: 0}
    for name, value in values.items():
        totals[units[name]] = totals.get(units[name], 0) + value
    return totals.pop(None), list(totals.values())
