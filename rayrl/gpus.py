"""GPUs of this machine."""

import os
from pathlib import Path

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def has_driver() -> bool:
    """Whether the machine has one: elsewhere torch, which takes a second to import, need not be asked."""
    return any(driver.exists() for driver in DRIVERS)


def gpus_here() -> int:
    """GPUs of this machine that a run can use: none where a cluster is named (RAY_ADDRESS), whose nodes are others, or
    where torch is a build for the CPU."""
    if "RAY_ADDRESS" in os.environ or not has_driver():
        return 0
    import torch

    return torch.cuda.device_count()
