"""Room on a learner rank's GPU, found wanting before anything is loaded."""

import torch

from rayrl.errors import ModelError
from rayrl.units import GB


def require_device_memory(device: torch.device, needed: int) -> None:
    """Raises ModelError where a GPU has less than `needed` bytes free.

    On CPU it asks nothing: there `memory.require_memory` counts the whole run before it starts.
    """
    if device.type != "cuda":
        return
    free, total = torch.cuda.mem_get_info(device)
    if needed > free:
        raise ModelError(
            f"a learner rank needs about {needed / GB:.1f} GB, on {device} {free / GB:.1f} of {total / GB:.1f} GB are "
            "free; lower learner.microbatch_tokens, set learner.activation_checkpointing, raise learner.workers, "
            "freeze more (freeze.preset), or leave it the GPU (generator.gpu_memory_utilization, other processes)"
        )
