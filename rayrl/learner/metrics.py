"""Metrics as sums, so that they merge over micro-batches and ranks; and of a step's updates together."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
import torch.distributed as dist

from rayrl.metric_table import find_metric

_TOGETHER: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "mean": fmean}


class MetricSums:
    """Means as (sum, count), totals, effective shares, and maxima of values at or above 0.

    Every rank must hold the same names.
    """

    def __init__(self) -> None:
        self._means: dict[str, torch.Tensor] = {}  # [2] float64: sum, count
        self._totals: dict[str, torch.Tensor] = {}  # scalar, float64
        self._shares: dict[str, torch.Tensor] = {}  # [3] float64: sum, sum of squares, count
        self._maxima: dict[str, torch.Tensor] = {}  # scalar

    def mean(self, name: str, values: torch.Tensor) -> None:
        """Adds `values` [K] (bool or float) to the mean of that name."""
        total = values.detach().double().sum()
        _add(self._means, name, torch.stack([total, torch.full_like(total, values.numel())]))

    def total(self, name: str, value: torch.Tensor) -> None:
        """Adds the scalar `value` to the total of that name."""
        _add(self._totals, name, value.detach().double())

    def effective_share(self, name: str, weights: torch.Tensor) -> None:
        """Adds `weights` [K], at least 0, to those whose (sum)² / (count x sum of squares) is of that name."""
        values = weights.detach().double()
        count = values.new_tensor(values.numel())
        _add(self._shares, name, torch.stack([values.sum(), values.square().sum(), count]))

    def maximum(self, name: str, values: torch.Tensor) -> None:
        """Raises the maximum of that name to that of `values` [K] where it is larger."""
        zero = values.new_zeros(1)
        self._raise(name, torch.cat([values.detach(), zero]).max().double())

    def merge(self, other: "MetricSums") -> None:
        for own, others in zip(self._sums, other._sums, strict=True):
            for name, sums in others.items():
                _add(own, name, sums)
        for name, value in other._maxima.items():
            self._raise(name, value)

    def reduce(self) -> dict[str, float]:
        """The values over all ranks (a collective). A mean or share of nothing is left out."""
        means = _over_ranks(self._means, dist.ReduceOp.SUM)
        shares = _over_ranks(self._shares, dist.ReduceOp.SUM)
        return {
            **{name: total / count for name, (total, count) in means.items() if count},
            **_over_ranks(self._totals, dist.ReduceOp.SUM),
            **{name: total**2 / (count * squares) for name, (total, squares, count) in shares.items() if squares},
            **_over_ranks(self._maxima, dist.ReduceOp.MAX),
        }

    @property
    def _sums(self) -> tuple[dict[str, torch.Tensor], ...]:
        return self._means, self._totals, self._shares

    def _raise(self, name: str, value: torch.Tensor) -> None:
        self._maxima[name] = torch.maximum(self._maxima[name], value) if name in self._maxima else value


def _add(sums: dict[str, torch.Tensor], name: str, values: torch.Tensor) -> None:
    sums[name] = sums[name] + values if name in sums else values


def _over_ranks(values: dict[str, torch.Tensor], operation: dist.ReduceOp.RedOpType) -> dict[str, Any]:
    if not values:
        return {}
    together = torch.stack(list(values.values()))
    if dist.is_initialized():
        dist.all_reduce(together, operation)
    return dict(zip(values, together.tolist(), strict=True))


def over_updates(updates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The metrics of a step's updates as one, by `Metric.over_updates`; a mean is over those that have the figure."""
    names = dict.fromkeys(name for update in updates for name in update)
    found = {name: [update[name] for update in updates if name in update] for name in names}
    return {name: _TOGETHER[find_metric(name).over_updates](values) for name, values in found.items()}
