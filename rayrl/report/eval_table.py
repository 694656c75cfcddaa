"""The table that the page of an evaluation opens with: a row for each benchmark and metric, a column for each model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayrl.report.sample_curves import Results
from rayrl.rollout_row import is_measure

SIGNIFICANT = 0.05
"""p after Holm's correction from which on a difference has no mark."""
_DETAILS = ("accuracy_finished", "truncated_frac", "mean_tokens")
"""Figures that stand beside the accuracy, or in the tables below."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model has of one metric.

    figure: {value, low, high, n}. cut_off: of the same samples, {value, …}; None on all rows but the accuracy's.
    change: of the accuracy against the first model, as comparison.json has it.
    """

    figure: Mapping[str, Any]
    cut_off: Mapping[str, Any] | None
    change: Mapping[str, Any] | None

    @property
    def significant(self) -> bool:
        return self.change is not None and self.change["p_holm"] < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Line:
    """percent: values are shares. cells: in the order of models; None: this one has no such figure."""

    metric: str
    percent: bool
    cells: Sequence[Cell | None]

    @property
    def n(self) -> str:
        """Items behind the figures; of each model where they differ."""
        counts = [f"{cell.figure['n']:,}" if cell else "–" for cell in self.cells]
        return counts[0] if len(set(counts) - {"–"}) <= 1 and counts[0] != "–" else " / ".join(counts)


def table_lines(models: Mapping[str, Results], pairs: Sequence[Mapping[str, Any]]) -> dict[str, list[Line]]:
    """Rows of each benchmark, the accuracy first.

    Args:
        models: Of each, what its results.json holds.
        pairs: What comparison.json holds.
    """
    benchmarks = dict.fromkeys(name for results in models.values() for name in results)
    changes = {(one["model"], one["benchmark"]): one for one in pairs}
    return {name: list(_lines(name, models, changes)) for name in benchmarks}


def _lines(
    benchmark: str, models: Mapping[str, Results], changes: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[Line]:
    found = {label: results.get(benchmark, {}) for label, results in models.items()}
    every = list(found.values())
    for metric in _metrics(every):
        cells = [_cell(metric, own, changes.get((label, benchmark))) for label, own in found.items()]
        yield Line(_name(metric, every), _is_share(metric, [cell.figure for cell in cells if cell]), cells)


def _cell(metric: str, own: Mapping[str, Mapping[str, Any]], change: Mapping[str, Any] | None) -> Cell | None:
    if metric not in own:
        return None
    return Cell(own[metric], own["truncated_frac"], change) if metric == "accuracy" else Cell(own[metric], None, None)


def _metrics(found: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Those of interest: the accuracy; pass@k and maj@k of the largest k; recall and rewards; lm-eval's own, but for
    the one that is the accuracy."""
    names = list(dict.fromkeys(name for own in found for name in own))
    of_k = [
        max((name for name in names if name.startswith(f"{kind}@")), key=lambda name: int(name.split("@")[1]))
        for kind in ("pass", "maj")
        if any(name.startswith(f"{kind}@") for name in names)
    ]
    further = [
        name
        for name in names
        if name != "accuracy" and name not in _DETAILS and "@" not in name and not _says_the_same(name, found)
    ]
    return ["accuracy", *of_k, *further]


def _says_the_same(metric: str, found: Sequence[Mapping[str, Mapping[str, Any]]]) -> bool:
    """Whether in all models the accuracy is the mean of this metric."""
    have = [own for own in found if metric in own]
    return all(
        own["accuracy"].get("metric") == metric and own["accuracy"]["value"] == own[metric]["value"] for own in have
    )


def _name(metric: str, found: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    if metric != "accuracy":
        return metric
    several = next((name for own in found for name in own if name.startswith("avg@")), None)
    scored_by = {own["accuracy"].get("metric") for own in found if own} - {None}
    return several or (f"accuracy ({scored_by.pop()})" if len(scored_by) == 1 else metric)


def _is_share(metric: str, figures: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is written in percent: lm-eval does not say of its metrics what they are, and rewards are numbers."""
    if is_measure(metric):
        return metric == "recall"
    ends = [end for one in figures for end in (one["value"], one["low"], one["high"]) if end is not None]
    return all(0 <= end <= 1 for end in ends)
