"""The results of an evaluation as tables for a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from rayrl.evaluate.results import ModelResults, PairedResult
from rayrl.evaluate.summary import Figure
from rayrl.report.text import p_value, percent, signed_points
from rayrl.rollout_row import is_measure

SHOWN = {"accuracy": "accuracy (%)", "truncated_frac": "cut off", "accuracy_finished": "of those that finished"}


def results_table(models: Sequence[ModelResults]) -> Table:
    """A row for each benchmark and model: accuracy with its 95 % interval, share cut off, the samples' figures, and
    where there are any, recall of retrieval and each reward."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    texts = ["of k samples"]
    if any(map(is_measure, (name for model in models for own in model.figures.values() for name in own))):
        texts.append("further")
    for column in ("benchmark", "model", "items", *SHOWN.values(), *texts):
        table.add_column(column, justify="left" if column in ("benchmark", "model", *texts) else "right")
    for name in dict.fromkeys(name for model in models for name in model.figures):
        for model in models:
            if name not in model.figures:
                continue
            own = model.figures[name]
            accuracy, cut, finished = (own[metric] for metric in SHOWN)
            mark = " !" if name in model.warnings else ""
            cells = (_interval(accuracy), f"{_percent(cut)}{mark}", _percent(finished), _of_samples(own), _further(own))
            table.add_row(name, model.label, str(accuracy.n), *cells[: len(table.columns) - 3])
    return table


def comparison_table(pairs: Sequence[PairedResult]) -> Table:
    """A row for each pair of models and benchmark: change over the same items, with an exact paired test."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("benchmark", "difference", "points", "95 % interval", "gained, lost", "exact p", "after Holm"):
        table.add_column(column, justify="left" if column in ("benchmark", "difference") else "right")
    for one in pairs:
        change = one.change.difference
        table.add_row(
            one.benchmark,
            f"{one.model} - {one.reference}",
            signed_points(change.mean),
            f"{signed_points(change.low)} to {signed_points(change.high)}",
            f"{one.change.gained}, {one.change.lost} of {change.items}",
            *(p_value(p).removeprefix("p = ").removeprefix("p ") for p in (one.change.p_value, one.adjusted)),
        )
    return table


def _of_samples(figures: Mapping[str, Figure]) -> str:
    kinds = {kind: [name for name in figures if name.startswith(f"{kind}@")] for kind in ("pass", "maj")}
    last = [names[-1] for names in kinds.values() if names]  # the largest k
    return ", ".join(f"{name} {_percent(figures[name])}" for name in last)


def _further(figures: Mapping[str, Figure]) -> str:
    """A line for each, with the number of items; results.json and the page have the intervals too."""
    known = {name: one for name, one in figures.items() if is_measure(name) and one.value is not None}
    return "\n".join(f"{name} {one.value:.3f} of {one.n}" for name, one in known.items())


def _percent(figure: Figure) -> str:
    return "-" if figure.value is None else percent(figure.value)


def _interval(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
