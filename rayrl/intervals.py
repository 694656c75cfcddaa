"""95 % intervals of proportions and means. No torch, no Ray."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

Z95 = 1.959963984540054
# 97.5 % quantiles of Student's t for 1..10 degrees of freedom; above, Fisher's expansion is good to 2e-4.
T975 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """Wilson score interval of a proportion at z = 1.96 (Wilson 1927): (low, high), both in 0..1.

    total 0 says nothing: (0, 1). Raises ValueError unless 0 <= correct <= total.
    """
    if not 0 <= correct <= total:
        raise ValueError(f"correct ({correct}) must lie in 0..total ({total})")
    if total == 0:
        return 0.0, 1.0
    share, z = correct / total, 1.96
    scale = 1 + z * z / total
    center = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    low = 0.0 if correct == 0 else max(0.0, center - half)
    high = 1.0 if correct == total else min(1.0, center + half)
    return low, high


def t_quantile(degrees: int) -> float:
    """97.5 % quantile of Student's t with `degrees` >= 1 degrees of freedom (Abramowitz & Stegun 26.7.5)."""
    if degrees <= len(T975):
        return T975[degrees - 1]
    z = Z95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with Student's 95 % interval: (mean, low, high), in the unit of `values`, which must be independent
    (for rewards: one value a group, not one a completion).

    What cannot be said is NaN: all three for no value, low and high for one value.
    """
    if not values:
        return math.nan, math.nan, math.nan
    mean = fmean(values)
    if len(values) == 1:
        return mean, math.nan, math.nan
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half
