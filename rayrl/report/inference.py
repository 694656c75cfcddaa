"""Shares and paired differences over the same items, with the items as the units that are drawn anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayrl.metrics import wilson_interval

RESAMPLES = 10_000
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """A mean of shares (0..1) with its 95 % interval, over `items` items."""

    mean: float
    low: float
    high: float
    items: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of shares (-1..1) with its 95 % interval and a two-sided p-value, over `items` items."""

    mean: float
    low: float
    high: float
    p: float
    items: int


def share(item_means: Array, seeds: int) -> Share:
    """Mean of `item_means` [I] (each over `seeds` runs, 0..1; I >= 1) with a Wilson interval.

    Answers of several runs to one item are not independent: the interval is that of as many independent answers as
    would vary like the items' means do (Korn & Graubard 1998), at most all. With one run it is Wilson's own.
    """
    items, mean = len(item_means), float(item_means.mean())
    variance, binomial = float(item_means.var()), mean * (1 - mean)
    if binomial == 0:
        return Share(mean, *wilson_interval(mean * items, items), items)
    count = items * min(seeds, binomial / variance if variance > 0 else math.inf)
    return Share(mean, *wilson_interval(min(mean * count, count), count), items)


def difference(per_item: Sequence[Array], seed: int = 0) -> Difference:
    """Mean over benchmarks of the mean of `per_item` (one array [I] of differences a benchmark, I >= 1).

    Interval: percentile bootstrap over items, each with all its seeds (Efron 1979), drawn apart in each benchmark.
    p: sign-flip test of the same differences (Fisher 1935), exchangeable under no difference; with one seed and
    right-or-wrong answers that is McNemar's exact test but for the Monte Carlo error of 10,000 draws.
    """
    draw = np.random.default_rng(seed)
    observed = float(np.mean([values.mean() for values in per_item]))
    resampled = np.mean([_resampled_means(values, draw) for values in per_item], axis=0)
    flipped = np.mean([_flipped_means(values, draw) for values in per_item], axis=0)
    low, high = np.quantile(resampled, [0.025, 0.975])
    as_far = int((np.abs(flipped) >= abs(observed) - 1e-12).sum())
    p = (1 + as_far) / (1 + RESAMPLES)
    return Difference(observed, float(low), float(high), p, sum(map(len, per_item)))


def _resampled_means(values: Array, draw: np.random.Generator) -> Array:
    """Means of `values` [I] drawn with replacement, [RESAMPLES]: by how often each distinct value is drawn."""
    distinct, counts = np.unique(values, return_counts=True)
    drawn = draw.multinomial(len(values), counts / len(values), RESAMPLES)
    means: Array = drawn @ distinct / len(values)
    return means


def _flipped_means(values: Array, draw: np.random.Generator) -> Array:
    """Means of `values` [I] with signs drawn at random, [RESAMPLES]."""
    sizes, counts = np.unique(np.abs(values), return_counts=True)
    positive = draw.binomial(counts, 0.5, (RESAMPLES, len(counts)))
    means: Array = (2 * positive - counts) @ sizes / len(values)
    return means


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that 0.05 bounds the chance of any false finding among all (Holm 1979), in their order."""
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
