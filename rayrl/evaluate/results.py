"""What came out of an evaluation: figures of each model, and each model against the first over the same items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rayrl.evaluate.summary import Figure, cut_off_warning, harness_metrics, summarize
from rayrl.report.inference import holm
from rayrl.report.paired import PairedChange, paired_change
from rayrl.report.results import scores
from rayrl.rollout_row import identity

Rows = Mapping[str, Sequence[dict[str, Any]]]
"""Rows of each benchmark."""


@dataclass(frozen=True)
class ModelResults:
    """Of one model, by benchmark. warnings: what to say of completions that were cut off. scored_by: the metric of
    lm-eval that is the score."""

    label: str
    figures: Mapping[str, Mapping[str, Figure]]
    warnings: Mapping[str, str]
    scored_by: Mapping[str, str]

    def record(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What results.json holds: {benchmark: {metric: {value, low, high, n}}}; a share cut off that is too large has
        a `warning` beside, the accuracy of a task of lm-eval the `metric` that it is."""
        found = {name: {metric: asdict(one) for metric, one in own.items()} for name, own in self.figures.items()}
        for name, warning in self.warnings.items():
            found[name]["truncated_frac"]["warning"] = warning
        for name, metric in self.scored_by.items():
            found[name]["accuracy"]["metric"] = metric
        return found


@dataclass(frozen=True)
class PairedResult:
    """`model` minus `reference` on a benchmark, over the items that both answered. adjusted: p after Holm's correction
    over all pairs and benchmarks."""

    model: str
    reference: str
    benchmark: str
    change: PairedChange
    adjusted: float

    def record(self) -> dict[str, Any]:
        """What comparison.json holds."""
        change, difference = self.change, asdict(self.change.difference)
        about = {"model": self.model, "minus": self.reference, "benchmark": self.benchmark} | difference
        about |= {"gained": change.gained, "lost": change.lost, "unscored": change.unscored}
        return about | {"p": change.p_value, "p_holm": self.adjusted}


def model_results(label: str, rows: Rows, k: Mapping[str, Iterable[int]]) -> ModelResults:
    """Figures of the rows of one model; `k` of pass@k and maj@k, by benchmark."""
    figures = {name: summarize(own, k[name]) | harness_metrics(own) for name, own in rows.items()}
    said = {name: cut_off_warning(name, own) for name, own in figures.items()}
    scored_by = {name: {row.get("asked", {}).get("metric") for row in own} for name, own in rows.items()}
    return ModelResults(
        label,
        figures,
        {name: warning for name, warning in said.items() if warning},
        {name: str(*metrics) for name, metrics in scored_by.items() if len(metrics) == 1 and None not in metrics},
    )


def compare(models: Mapping[str, Rows]) -> list[PairedResult]:
    """Each model against the first, on every benchmark whose items both answered."""
    (reference, first), *others = models.items()
    found = [
        (label, name, change)
        for label, rows in others
        for name in rows
        if name in first
        if (change := paired_change(scores(first[name], identity), scores(rows[name], identity)))
    ]
    adjusted = holm([change.p_value for _, _, change in found])
    return [PairedResult(one[0], reference, *one[1:], p) for one, p in zip(found, adjusted, strict=True)]
