"""The most memory that a learner has held, to be set against `estimate`."""

from pathlib import Path

import torch


class PeakMemory:
    """Of this process since this was made. On CPU beyond what it held then: interpreter, libraries, Ray."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._before = 0 if device.type == "cuda" else _status("VmRSS")

    def bytes(self) -> int:
        """On a GPU what PyTorch allocated there; on CPU resident memory, so that files that are mapped count."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return _status("VmHWM") - self._before


def _status(field: str) -> int:
    """A size that Linux keeps of this process. Unlike getrusage's, its peak is not inherited from who started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")
