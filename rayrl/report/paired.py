"""Two evaluations of the same held-out problems, compared problem by problem."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class PairedChange:
    """Shares are in 0..1. `items` counts problems scored in both evaluations, `unscored` all others."""

    items: int
    gained: int
    lost: int
    unscored: int
    change: float
    low: float
    high: float
    p_value: float


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value that as many were gained as lost (McNemar 1947, binomial form). No change at all: 1."""
    changed = gained + lost
    tail = sum(math.comb(changed, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


def bootstrap_interval(gained: int, lost: int, items: int, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap of (gained - lost) / items over problems, items >= 1."""
    outcomes = [1] * gained + [-1] * lost + [0] * (items - gained - lost)
    draw = random.Random(seed)
    changes = sorted(sum(draw.choices(outcomes, k=items)) / items for _ in range(RESAMPLES))
    return changes[round(0.025 * RESAMPLES)], changes[round(0.975 * RESAMPLES) - 1]


def paired_change(before: Mapping[str, bool | None], after: Mapping[str, bool | None]) -> PairedChange | None:
    """Compare {problem id: correct, or None where unscored}. None where no problem is scored in both."""
    gained = lost = items = 0
    for problem, was in before.items():
        now = after.get(problem)
        if was is None or now is None:
            continue
        items += 1
        gained += now and not was
        lost += was and not now
    if items == 0:
        return None
    low, high = bootstrap_interval(gained, lost, items)
    unscored = len(before.keys() | after.keys()) - items
    return PairedChange(items, gained, lost, unscored, (gained - lost) / items, low, high, mcnemar(gained, lost))
