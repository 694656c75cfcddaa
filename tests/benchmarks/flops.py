"""The least work that a batch can take: forward, and the backward that its trainable parameters need."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig

from rayrl.learner.batch import Batch
from rayrl.learner.freeze import layer_of

# Order of what lies in a layer; norms lie just before what they feed.
_ORDER = {
    "q_proj": 0.0,
    "k_proj": 0.0,
    "v_proj": 0.0,
    "o_proj": 1.0,
    "gate_proj": 2.0,
    "up_proj": 2.0,
    "down_proj": 3.0,
}
_ATTENTION = 0.5


@dataclass(frozen=True, slots=True)
class Floor:
    """Floating-point operations, a multiplication and an addition being two."""

    forward: float
    backward: float

    @property
    def total(self) -> float:
        return self.forward + self.backward


def _place(name: str, layers: int) -> float:
    """Where in the forward pass a parameter is used."""
    layer = layer_of(name)
    if layer is None:
        return -1.0 if "embed" in name else 4.0 * layers - (0.5 if "norm" in name else 0.0)
    inside = next((place for kind, place in _ORDER.items() if kind in name), None)
    if inside is None:
        inside = 0.2 if "self_attn" in name else 1.5 if "post_attention" in name else -0.5
    return 4.0 * layer + inside


def visible_pairs(batch: Batch) -> int:
    """(query, key) pairs that attention must compute: each token with its past on its path."""
    return int((batch.position_ids + 1).sum())


def floor(
    sizes: Mapping[str, int], trainable: Mapping[str, bool], config: PreTrainedConfig, batch: Batch, tied: bool
) -> Floor:
    """Matmuls of the linear layers, of the head at the targets, and of attention at visible pairs; no recomputation.

    Args:
        sizes: Elements of each parameter.
        trainable: From `freeze.resolve`.
        config: Layers, heads, head dimension.
        batch: What is run.
        tied: Whether the head is the embedding.
    """
    layers, tokens, targets = config.num_hidden_layers, len(batch.token_ids), len(batch.targets)
    lowest = min(_place(name, layers) for name, trains in trainable.items() if trains)
    forward = backward = 0.0
    for name, size in sizes.items():
        is_head = "lm_head" in name or (tied and "embed_tokens" in name)
        if not is_head and ("norm" in name or "embed" in name or "bias" in name):
            continue
        place = 4.0 * layers if is_head else _place(name, layers)
        work = 2.0 * size * (targets if is_head else tokens)
        forward += work
        backward += work * (trainable[name] + (lowest < place))
    dimension = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 4.0 * visible_pairs(batch) * config.num_attention_heads * dimension
    forward += layers * attention
    backward += 2 * attention * sum(lowest < 4 * layer + _ATTENTION for layer in range(layers))
    return Floor(forward, backward)


def matmul_ceiling(device: torch.device, size: int, seconds: float = 1.0, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations per second of square products on this device, the best of several.

    On CPU per second of processor time over the threads used, so that other work on the machine counts little.
    """
    on_cpu = device.type == "cpu"
    clock = time.process_time if on_cpu else time.monotonic
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        started = clock()
        for _ in range(4):
            left @ right
        if not on_cpu:
            torch.cuda.synchronize(device)
        took = (clock() - started) / (torch.get_num_threads() if on_cpu else 1)
        best = max(best, 4 * 2.0 * size**3 / took)
    return best
