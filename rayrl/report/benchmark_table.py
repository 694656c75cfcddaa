"""Benchmarks of one run: the first and the last time that each was measured, over the same items."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rayrl.report.inference import Share, parts_of_one, share
from rayrl.report.paired import PairedChange, paired_change
from rayrl.report.results import Row, Scores, benchmark_scores, by_step, share_cut_off


@dataclass(frozen=True, slots=True)
class Measured:
    """Share of the items that have a score, with its 95 % interval. None: none has one.

    unscored: items without one. cut_off: share of the completions that ended at the length limit, where that is known.
    """

    step: int
    share: Share | None
    unscored: int
    cut_off: float | None

    @property
    def correct(self) -> str:
        """ "12", or where items have several samples a sum of shares such as "12.25"."""
        return f"{self.share.mean * self.share.items:.6g}" if self.share else "0"


@dataclass(frozen=True, slots=True)
class BenchmarkChange:
    """`last` and `change` are None where it was measured once."""

    name: str
    first: Measured
    last: Measured | None
    change: PairedChange | None


def benchmark_changes(rows: Iterable[Row]) -> list[BenchmarkChange]:
    found: dict[str, list[tuple[Measured, Scores]]] = {}
    for step, at_step in by_step(rows).items():
        for name, scores in benchmark_scores(at_step).items():
            own = [row for row in at_step if str(row.get("benchmark")) == name]
            found.setdefault(name, []).append((_measured(step, scores, own), scores))
    return [_change(name, measured) for name, measured in found.items()]


def _change(name: str, found: list[tuple[Measured, Scores]]) -> BenchmarkChange:
    (first, before), (last, after) = found[0], found[-1]
    if first is last:
        return BenchmarkChange(name, first, None, None)
    return BenchmarkChange(name, first, last, paired_change(before, after))


def _measured(step: int, scores: Scores, rows: list[Row]) -> Measured:
    known = np.array([score for score in scores.values() if score is not None], float)
    found = share(known, parts_of_one(known)) if len(known) else None
    return Measured(step, found, len(scores) - len(known), share_cut_off(rows))
