"""Benchmarks of one run: the first and the last time that each was measured, over the same items."""

from collections.abc import Iterable
from dataclasses import dataclass

from rayrl.intervals import wilson_interval
from rayrl.report.paired import PairedChange, paired_change
from rayrl.report.results import Row, Scores, benchmark_scores, by_step


@dataclass(frozen=True, slots=True)
class Measured:
    """Share of the items that have a score, with Wilson's 95 % interval. `unscored`: items without one."""

    step: int
    correct: int
    total: int
    unscored: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BenchmarkChange:
    """`last` and `change` are None where it was measured once."""

    name: str
    first: Measured
    last: Measured | None
    change: PairedChange | None


def benchmark_changes(rows: Iterable[Row]) -> list[BenchmarkChange]:
    measured: dict[str, list[tuple[int, Scores]]] = {}
    for step, at_step in by_step(rows).items():
        for name, scores in benchmark_scores(at_step).items():
            measured.setdefault(name, []).append((step, scores))
    return [_change(name, found) for name, found in measured.items()]


def _change(name: str, found: list[tuple[int, Scores]]) -> BenchmarkChange:
    first, last = found[0], found[-1]
    if first is last:
        return BenchmarkChange(name, _measured(*first), None, None)
    return BenchmarkChange(name, _measured(*first), _measured(*last), paired_change(first[1], last[1]))


def _measured(step: int, scores: Scores) -> Measured:
    known = [score for score in scores.values() if score is not None]
    return Measured(step, sum(known), len(known), len(scores) - len(known), *wilson_interval(sum(known), len(known)))
