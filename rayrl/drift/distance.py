"""How far tuned weights are from the base, as sums over blocks of rows that may be added in any order."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from rayrl.drift.weights import SafetensorsFolder, Tuned, blocks
from rayrl.errors import ModelError


@dataclass(slots=True)
class Distance:
    """Sums over the entries of one matrix that were seen so far."""

    base_square: float = 0.0
    change_square: float = 0.0
    changed: float = 0.0  # entries that differ when both are rounded to bfloat16
    entries: float = 0.0
    moved: float = 0.0  # above 0: frozen, and not the base's

    def add(self, base: torch.Tensor, tuned: torch.Tensor, change: torch.Tensor) -> None:
        """Counts a block. Squares are summed in float32 within 2^16 entries, in float64 across."""
        self.base_square += _square_sum(base.float())
        self.entries += base.numel()
        if tuned is base:
            return
        self.change_square += _square_sum(change)
        self.changed += int((tuned.bfloat16() != base.bfloat16()).sum())

    def figures(self, name: str) -> dict[str, Any]:
        """The figures of drift.jsonl.

        relative_frobenius: ||W - B||_F / ||B||_F (arXiv:2507.10616); None where B is 0 and W is not.
        changed_bf16: share of entries.

        Raises:
            ModelError: There are numbers that are not finite.
        """
        if not math.isfinite(self.base_square + self.change_square):
            raise ModelError(f"{name!r} holds values that are not finite, in the base or in the checkpoint")
        base, change = math.sqrt(self.base_square), math.sqrt(self.change_square)
        return {
            "relative_frobenius": change / base if base else (None if change else 0.0),
            "frobenius": change,
            "base_frobenius": base,
            "changed_bf16": self.changed / self.entries if self.entries else 0.0,
            "entries": int(self.entries),
        }


def _square_sum(values: torch.Tensor) -> float:
    """Sum of squares of a float32 tensor."""
    flat = values.reshape(-1)
    whole = flat.numel() // _RUN * _RUN
    runs = flat[:whole].view(-1, _RUN)
    return float(torch.linalg.vecdot(runs, runs).double().sum() + flat[whole:].double().square().sum())


_RUN = 1 << 16


def measure_distance(name: str, base: SafetensorsFolder, tuned: Tuned) -> Distance:
    """Reads one tensor of both, block by block."""
    distance = Distance()
    for start, end in blocks(base.shapes[name]):
        rows = base.rows(name, start, end)
        distance.add(rows, *tuned.rows_and_change(name, start, end, rows))
    return distance
