"""How much memory a learner takes, before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass

from rayrl.config import LearnerSettings, ModelSettings
from rayrl.learner.head import CHUNK_LOGITS


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one rank, without activations, which `microbatch_tokens` bounds."""

    weights: int  # float32, sharded
    gradients: int  # float32, sharded, of what trains
    optimizer: int  # AdamW's two moments, float32, sharded, of what trains
    gathered: int  # weights in the compute dtype, whole where they are not resharded
    gathered_gradients: int  # of the unit in backward, in the compute dtype, before they are sharded
    logits: int  # one chunk of the head, with its temporaries

    @property
    def total(self) -> int:
        parts = (self.weights, self.gradients, self.optimizer, self.gathered, self.gathered_gradients, self.logits)
        return sum(parts)


def estimate(
    trainable: Mapping[str, bool],
    sizes: Mapping[str, int],
    units: Mapping[str, int | None],
    model: ModelSettings,
    learner: LearnerSettings,
) -> Memory:
    """Memory of one of `learner.workers` ranks.

    Args:
        trainable: From `freeze.resolve`.
        sizes: Elements of each parameter.
        units: The decoder layer of each parameter, None outside (`freeze.layer_of`): what FSDP gathers together.
    """
    ranks = learner.workers
    everything = sum(sizes.values())
    trained = sum(size for name, size in sizes.items() if trainable[name])
    width = 2 if model.compute_dtype == "bfloat16" else 4
    totals: dict[int | None, int] = {}
    for name, size in sizes.items():
        totals[units[name]] = totals.get(units[name], 0) + size
    root = totals.pop(None, 0)
    largest = max(totals.values(), default=0)
    # At one rank nothing is resharded; else the root and two layers (one computing, one prefetched) are whole.
    whole = everything if ranks == 1 else root + 2 * largest
    return Memory(
        weights=4 * everything // ranks,
        gradients=4 * trained // ranks,
        optimizer=8 * trained // ranks,
        gathered=width * whole,
        gathered_gradients=width * (root + largest) if trained else 0,
        logits=3 * 4 * CHUNK_LOGITS,
    )
