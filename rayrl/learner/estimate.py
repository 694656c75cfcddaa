"""How much memory a learner takes, before anything is loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rayrl.config import LearnerSettings, ModelSettings
from rayrl.learner.head import CHUNK_LOGITS


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one rank, without activations, which `microbatch_tokens` bounds."""

    weights: int  # sharded: float32 of what trains, as stored of what is frozen
    gradients: int  # float32, sharded, of what trains
    optimizer: int  # AdamW's two moments, float32, sharded, of what trains
    gathered: int  # weights in the compute dtype, whole where they are not resharded
    gathered_gradients: int  # of the unit in backward, in the compute dtype, before they are sharded
    logits: int  # one chunk of the head, with its temporaries
    reference: int = 0  # base copy, in the compute dtype, sharded, of what trains: with a KL divergence to it

    @property
    def total(self) -> int:
        held = (self.weights, self.gradients, self.optimizer, self.reference)
        return sum(held) + self.gathered + self.gathered_gradients + self.logits


def estimate(
    trainable: Mapping[str, bool],
    sizes: Mapping[str, int],
    units: Mapping[str, int | None],
    model: ModelSettings,
    learner: LearnerSettings,
    stored_bytes: int = 4,
    reference: bool = False,
) -> Memory:
    """Memory of one of `learner.workers` ranks.

    Args:
        trainable: From `freeze.resolve`.
        sizes: Elements of each parameter.
        units: The decoder layer of each parameter, None outside (`freeze.layer_of`): what FSDP gathers together.
        model: Compute dtype.
        learner: Ranks.
        stored_bytes: Width of a weight in the model's files, in which the frozen are kept.
        reference: Whether the objective has a KL divergence to the model that training started from.
    """
    ranks = learner.workers
    everything = sum(sizes.values())
    trained = sum(size for name, size in sizes.items() if trainable[name])
    width = 2 if model.compute_dtype == "bfloat16" else 4
    in_place = ranks == 1 and stored_bytes == width  # frozen weights are used as they lie (`model.shard`)

    def gathered(names: Iterable[str], layers: int) -> int:
        """Elements of the units outside the layers and of the `layers` largest layers."""
        totals: dict[int | None, int] = {}
        for name in names:
            totals[units[name]] = totals.get(units[name], 0) + sizes[name]
        root = totals.pop(None, 0)
        return root + sum(sorted(totals.values(), reverse=True)[:layers])

    training = [name for name in sizes if trainable[name]]
    # On one rank nothing is resharded; else the root and two layers (one computing, one prefetched) are whole.
    whole = gathered(training if in_place else sizes, len(sizes) if ranks == 1 else 2)
    return Memory(
        weights=(4 * trained + stored_bytes * (everything - trained)) // ranks,
        gradients=4 * trained // ranks,
        optimizer=8 * trained // ranks,
        gathered=width * whole,
        gathered_gradients=width * gathered(training, 1),
        logits=3 * 4 * CHUNK_LOGITS,
        reference=width * trained // ranks if reference else 0,
    )
