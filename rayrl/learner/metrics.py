"""Metrics as sums, so that they merge over micro-batches and ranks."""

import math

import torch
import torch.distributed as dist


class MetricSums:
    """Means as (sum, count), totals, and maxima of values at or above 0. Every rank must hold the same names."""

    def __init__(self) -> None:
        self._means: dict[str, torch.Tensor] = {}  # [2] float64: sum, count (nan: a total)
        self._maxima: dict[str, torch.Tensor] = {}  # scalar

    def mean(self, name: str, values: torch.Tensor) -> None:
        """Adds `values` [K] (bool or float) to the mean of that name."""
        total = values.detach().double().sum()
        self._add(name, torch.stack([total, torch.full_like(total, values.numel())]))

    def total(self, name: str, value: torch.Tensor) -> None:
        """Adds the scalar `value` to the total of that name."""
        self._add(name, torch.stack([value.detach().double(), value.new_tensor(math.nan).double()]))

    def maximum(self, name: str, values: torch.Tensor) -> None:
        """Raises the maximum of that name to that of `values` [K] where it is larger."""
        zero = values.new_zeros(1)
        self._raise(name, torch.cat([values.detach(), zero]).max().double())

    def merge(self, other: "MetricSums") -> None:
        for name, pair in other._means.items():
            self._add(name, pair)
        for name, value in other._maxima.items():
            self._raise(name, value)

    def reduced(self) -> dict[str, float]:
        """The values over all ranks (a collective). A mean over nothing is left out."""
        means = torch.stack(list(self._means.values())) if self._means else None
        maxima = torch.stack(list(self._maxima.values())) if self._maxima else None
        if dist.is_initialized():
            if means is not None:
                dist.all_reduce(means)
            if maxima is not None:
                dist.all_reduce(maxima, dist.ReduceOp.MAX)
        values: dict[str, float] = {}
        if means is not None:
            pairs = zip(self._means, means.tolist(), strict=True)
            values |= {name: total if math.isnan(count) else total / count for name, (total, count) in pairs if count}
        if maxima is not None:
            values |= dict(zip(self._maxima, maxima.tolist(), strict=True))
        return values

    def _add(self, name: str, pair: torch.Tensor) -> None:
        self._means[name] = self._means[name] + pair if name in self._means else pair

    def _raise(self, name: str, value: torch.Tensor) -> None:
        self._maxima[name] = torch.maximum(self._maxima[name], value) if name in self._maxima else value
