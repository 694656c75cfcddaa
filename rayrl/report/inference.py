"""Shares and paired differences over the same items, with the items as the units that are drawn anew."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from rayrl.intervals import wilson_interval

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
    """A difference of shares (-1..1) with its 95 % interval, over `items` items."""

    mean: float
    low: float
    high: float
    items: int


def share(item_means: Array, seeds: float) -> Share:
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


def share_of_parts(right: Array, sizes: Array) -> Share:
    """Share of all parts of items that are right, with a Wilson interval; `items` are the parts.

    Parts of one item are not independent: the interval is that of as many independent parts as would vary like the
    ratio of both sums over items does (linearized: Cochran 1977, 6.4; Korn & Graubard 1998), at most all. With one part
    an item it is Wilson's own.

    Args:
        right: [I] parts of each item that are right; I >= 1.
        sizes: [I] parts of each, >= 0; not all 0.
    """
    total = int(sizes.sum())
    mean = float(right.sum()) / total
    squares, binomial = float(((right - mean * sizes) ** 2).sum()), mean * (1 - mean)
    if binomial == 0:
        items = int(np.count_nonzero(sizes))
        return Share(mean, *wilson_interval(mean * items, items), total)
    count = total * min(1.0, total * binomial / squares if squares > 0 else math.inf)
    return Share(mean, *wilson_interval(min(mean * count, count), count), total)


def difference(per_item: Sequence[Array]) -> Difference:
    """Mean over benchmarks of the mean of `per_item` (one array [I] of differences a benchmark, I >= 1).

    Interval: percentile bootstrap over items, each with all its seeds (Efron 1979), drawn apart in each benchmark.
    """
    draw = np.random.default_rng(0)
    observed = float(np.mean([values.mean() for values in per_item]))
    resampled = np.mean([_resampled_means(values, draw) for values in per_item], axis=0)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(observed, float(low), float(high), sum(map(len, per_item)))


def _resampled_means(values: Array, draw: np.random.Generator) -> Array:
    """Means of `values` [I] drawn with replacement, [RESAMPLES]: by how often each distinct value is drawn."""
    distinct, counts = np.unique(values, return_counts=True)
    drawn = draw.multinomial(len(values), counts / len(values), RESAMPLES)
    means: Array = drawn @ distinct / len(values)
    return means


def parts_of_one(shares: Array) -> int:
    """The least number that makes all `shares` whole: 4 where items have four samples, 1 for shares of 0 and 1.

    At most 10,000: more takes items with many different numbers of scored samples.
    """
    denominators = {Fraction(one).limit_denominator(10_000).denominator for one in set(shares.ravel().tolist())}
    return min(10_000, math.lcm(*denominators))


def whole_differences(differences: Array) -> list[int]:
    """The differences in the largest unit that makes all of them whole (`parts_of_one`; below 1e-4 rounded to that)."""
    return [int(one) for one in np.rint(parts_of_one(differences) * differences)]


def sign_flip(differences: Sequence[int]) -> float:
    """Two-sided p-value of whole differences: the chance that with signs drawn anew their sum is as far from 0.

    Exact (Fisher 1935): signs are exchangeable under no difference. With differences of -1, 0 and 1 it is McNemar's.
    """
    chances: npt.NDArray[np.floating[Any]] = np.ones(1)  # of each sum of those drawn positive, from 0 on
    for size, count in Counter(abs(one) for one in differences if one).items():
        drawn = np.zeros(size * count + 1)
        drawn[::size] = _fair_binomial(count)
        chances = np.convolve(chances, drawn)
    sums = 2 * np.arange(len(chances)) - (len(chances) - 1)
    return min(1.0, float(chances[np.abs(sums) >= abs(sum(differences))].sum()))


def _fair_binomial(count: int) -> Array:
    """Chances of 0, 1, … `count` heads in as many throws of a fair coin."""
    log = [math.lgamma(heads + 1) for heads in range(count + 1)]
    return np.exp([log[count] - log[heads] - log[count - heads] - count * math.log(2) for heads in range(count + 1)])


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that 0.05 bounds the chance of any false finding among all (Holm 1979), in their order."""
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
