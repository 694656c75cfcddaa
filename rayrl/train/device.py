"""Room on a learner rank's GPU, found wanting before anything is loaded."""

import time

import torch

from rayrl.errors import ModelError
from rayrl.units import GB

PATIENCE = 30.0
"""Seconds that processes of a rank that died have to leave its GPU."""


def require_device_memory(device: torch.device, needed: int) -> None:
    """Raises ModelError where a GPU has less than `needed` bytes free, for PATIENCE.

    On CPU it asks nothing: there `memory.require_memory` counts the whole run before it starts.
    """
    if device.type != "cuda":
        return
    end = time.monotonic() + PATIENCE
    free, total = torch.cuda.mem_get_info(device)
    while needed > free and time.monotonic() < end:
        time.sleep(0.5)
        free, total = torch.cuda.mem_get_info(device)
    if needed > free:
        raise ModelError(
            f"a learner rank, with what shares its GPU, needs about {needed / GB:.1f} GB, on {device} "
            f"{free / GB:.1f} of {total / GB:.1f} GB are free; lower learner.microbatch_tokens, set "
            "learner.activation_checkpointing, raise learner.workers, freeze more (freeze.preset), or leave it the "
            "GPU (generator.kv_cache_gb, other processes)"
        )
