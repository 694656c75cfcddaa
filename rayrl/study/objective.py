"""What a sweep goes by: changes from the base in percentage points, weighted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scorer:
    """The objective of what a step or an evaluation tells; nothing where it lacks a benchmark."""

    weights: Mapping[str, float]
    base: Mapping[str, float]

    def __call__(self, numbers: Mapping[str, Any]) -> dict[str, float]:
        now = {name: numbers.get(f"benchmark/{name}/accuracy") for name in self.weights}
        value = objective_of(self.weights, self.base, {name: one for name, one in now.items() if one is not None})
        return {} if value is None else {"objective": value}


def objective_of(weights: Mapping[str, float], base: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Weighted sum of changes from the base in percentage points; None where a benchmark has no accuracy."""
    if any(name not in base or name not in now for name in weights):
        return None
    return sum(weight * 100 * (now[name] - base[name]) for name, weight in weights.items())
