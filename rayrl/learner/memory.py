"""How much memory a learner rank takes, before anything is loaded."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import dropwhile

from rayrl.config import LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.adapter import nf4_scale_bytes
from rayrl.learner.head import CPU_GRADIENTS, CPU_LOGITS, GPU_LOGITS
from rayrl.learner.structure import ParameterShape

CPU_OVERHEAD = 100_000_000  # libraries that come with a model, and what malloc keeps of loading it
HOLES = 0.5  # 0.36 (QLoRA) and 0.41 (all trains) in the first update, more in later ones (docs/lab_notes.md)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one rank, without `activations` and `holes`."""

    weights: int  # sharded: float32 of what trains; frozen as stored, under an adapter in the compute dtype or NF4
    gradients: int  # float32, sharded, of what trains
    optimizer: int  # AdamW's two moments, float32, sharded, of what trains
    gathered: int  # weights as they are computed with, whole where they are not resharded
    gathered_gradients: int  # of the unit in backward, in the compute dtype, before they are sharded
    head_gradient: int  # of a head in bfloat16, whole, in float32, while it is added up
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

    @property
    def resting(self) -> int:
        """Between two updates, where a checkpoint may measure how far the policy is from its base."""
        return self.weights + self.optimizer + self.gathered + self.logits + self.reference


@dataclass(frozen=True, slots=True)
class MemoryEstimator:
    """Bytes of one of `learner.workers` ranks.

    Args:
        parameters: In the model's order.
        model: Compute dtype.
        learner: Ranks, processor, activation checkpointing.
        adapter: Then the base is held as it is computed with.
        stored_width: Bytes of a weight in the model's files, in which the frozen are kept.
        reference: The objective has a KL divergence to the model that training started from.
    """

    parameters: Sequence[ParameterShape]
    model: ModelSettings
    learner: LearnerSettings
    adapter: LoRASettings | None = None
    stored_width: int = 4
    reference: bool = False

    def without_batch(self) -> Memory:
        """What a rank takes whatever its micro-batches are."""
        alone, ranks = self.learner.workers == 1, self.learner.shards
        width, parameters = self._width, self.parameters
        packed = [parameter.size for parameter in parameters if parameter.nf4]
        scales = sum(nf4_scale_bytes(size, self.adapter.double_quantization) for size in packed) if self.adapter else 0
        # A lone rank computes with frozen weights as they are stored, where they need no cast (`model.shard`).
        root, layers = _by_layer(
            (parameter, self._computed(parameter))
            for parameter in parameters
            if not alone or parameter.trains or self._stored(parameter) != self._computed(parameter)
        )
        gradient_root, gradient_layers = _by_layer((one, one.size) for one in parameters if one.trains)
        return Memory(
            weights=sum(map(self._stored, parameters)) // ranks + scales,
            gradients=self._gradients,
            optimizer=2 * self._gradients,
            # On a lone rank all stay; else the root and two layers (one computing, one prefetched) are whole.
            gathered=root + (sum(layers) if alone else sum(sorted(layers)[-2:])),
            gathered_gradients=width * (gradient_root + max(gradient_layers)),
            head_gradient=4 * self._head_size if self.model.compute_dtype == "bfloat16" else 0,
            unpacked=width * max(packed, default=0),
            logits=3 * 4 * (CPU_LOGITS if self._on_cpu else GPU_LOGITS)
            + width * (CPU_GRADIENTS if self._on_cpu else GPU_LOGITS),
            overhead=CPU_OVERHEAD if self._on_cpu else 0,
            reference=width * self._gradients // 4 if self.reference else 0,
        )

    def for_batch(self, tokens: int) -> int:
        """What a micro-batch of `tokens` packed tokens takes beside that: activations and holes."""
        return self.activations(tokens) + self.holes(tokens)

    def activations(self, tokens: int) -> int:
        """Bytes that a micro-batch of `tokens` packed tokens holds for its backward, by a rule of thumb.

        A layer keeps about what goes into and comes out of its matrices, in the compute dtype: on the embedded model
        1.2 times that where all trains, 0.8 times where only q and k do. Below the lowest parameter that trains nothing
        is kept. With checkpointing each layer keeps its input, and the one in backward the rest. Gradients take as much
        as one layer.
        """
        hidden = next(parameter.shape[-1] for parameter in self.parameters if parameter.layer is None)
        matrices = (
            (parameter, sum(parameter.shape))
            for parameter in self._with_backward()
            if len(parameter.shape) == 2 and ".lora_" not in parameter.name
        )
        layers = _per_layer(matrices).values()  # elements of a token
        largest = max(layers, default=0)
        kept = len(layers) * hidden + largest if self.learner.activation_checkpointing else sum(layers)
        return self._width * tokens * (kept + largest)

    def holes(self, tokens: int) -> int:
        """Bytes that the C library's heap cannot use between what a micro-batch holds for its backward; on CPU.

        What a layer makes in its forward and drops leaves a hole between what it keeps. Small objects of the autograd
        graph settle there, and the next block of the same size no longer fits: of what was dropped HOLES stays unused
        until the backward is over (glibc counts it: `mallinfo2().fordblks` after a forward). So it is with gradients,
        which are made between activations and dropped after each update. CUDA's allocator has bins of its own and is
        left out.
        """
        if not self._on_cpu:
            return 0
        dropped = _per_layer(
            (parameter, tokens * self._dropped(parameter) + (self._width * parameter.size if parameter.nf4 else 0))
            for parameter in self._with_backward()
        ).values()
        between = max(dropped, default=0) if self.learner.activation_checkpointing else sum(dropped)
        return int(HOLES * (between + self._gradients))

    def _dropped(self, parameter: ParameterShape) -> int:
        """Bytes for each token that the forward makes around a parameter and drops.

        - three float32 copies of what a norm is given: cast, square, product;
        - of queries and keys, in the compute dtype, what their rotation makes: two products, a turned copy and half of
          one;
        - beside an adapter three times what the matrix gives: the second factor's product, that scaled, the sum.
        """
        name, outputs = parameter.name, parameter.shape[0]
        if len(parameter.shape) == 1 and "norm" in name:
            return 3 * 4 * outputs
        if ".lora_B" in name:
            return 3 * self._width * outputs
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            return 7 * self._width * outputs // 2
        return 0

    def _with_backward(self) -> list[ParameterShape]:
        """Those of the layers from the lowest parameter that trains on."""
        reached = dropwhile(lambda parameter: not parameter.trains, self.parameters)
        return [parameter for parameter in reached if parameter.layer is not None]

    def _computed(self, parameter: ParameterShape) -> int:
        """Bytes of a parameter as it is computed with."""
        return parameter.size // 2 if parameter.nf4 else self._width * parameter.size

    def _stored(self, parameter: ParameterShape) -> int:
        """Bytes of a parameter as it is held between forwards."""
        if parameter.trains:
            return 4 * parameter.size
        return self._computed(parameter) if self.adapter else self.stored_width * parameter.size

    @property
    def _gradients(self) -> int:
        """Bytes of a rank's share, in float32."""
        return 4 * sum(parameter.size for parameter in self.parameters if parameter.trains) // self.learner.shards

    @property
    def _head_size(self) -> int:
        """Elements of the output embedding, 0 where it is frozen: the last of the matrices with a row for each token,
        the embedding itself where it is tied."""
        outside = [one for one in self.parameters if one.layer is None and len(one.shape) == 2]
        head = max(reversed(outside), key=lambda one: one.shape[0])
        return head.size if head.trains else 0

    @property
    def _width(self) -> int:
        return 2 if self.model.compute_dtype == "bfloat16" else 4

    @property
    def _on_cpu(self) -> bool:
        return not self.learner.gpus_per_worker


def _per_layer(values: Iterable[tuple[ParameterShape, int]]) -> dict[int | None, int]:
    """The sum in each layer that has a value; None: outside the layers."""
    totals: dict[int | None, int] = {}
    for parameter, value in values:
        totals[parameter.layer] = totals.get(parameter.layer, 0) + value
    return totals


def _by_layer(values: Iterable[tuple[ParameterShape, int]]) -> tuple[int, list[int]]:
    """The sum outside the layers, and that in each layer (at least one)."""
    totals = _per_layer(values)
    return totals.pop(None, 0), list(totals.values()) or [0]
