"""Charts of what training did to the model itself, for one run or for the arms of a study: drift and divergence."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from rayrl.report import distance, weights
from rayrl.report.plot import STEP, Chart, Plot, Row, Series, log_quantity, quantity, step_axis, trend
from rayrl.report.run_directory import Run

PLACE = "place in the text (% of its tokens)"
LOG_RATIO = 30
"""An axis is logarithmic where the largest mean is this many times the smallest above 0."""
Measure = Callable[[Run], Mapping[float, float]]
"""A run's {x: y}"""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are one line of a chart."""

    series: Series
    runs: Sequence[Run]

    def measured(self, measure: Measure) -> dict[float, list[float]]:
        """{x: finite values of the runs that have one}, in order of x."""
        found: dict[float, list[float]] = {}
        for run in self.runs:
            for x, y in measure(run).items():
                if math.isfinite(y):
                    found.setdefault(x, []).append(y)
        return dict(sorted(found.items()))


def curves(groups: Sequence[Group], measure: Measure, x: str, y: str) -> Plot | None:
    """A line for each group's mean, a band from its lowest to its highest run. None where no group has a point.

    Points at exactly 0 are left out where the axis is logarithmic.
    """
    points = [(group, at, values) for group in groups for at, values in group.measured(measure).items()]
    means = [fmean(values) for _, _, values in points if min(values) > 0]
    logarithmic = is_logarithmic(means)
    rows: list[Row] = []
    for group, at, values in points:
        if logarithmic and min(values) <= 0:
            continue
        label = {"series": group.series.label} if group.series.label else {}
        ends = {f"{y} low": min(values), f"{y} high": max(values)} if len(values) > 1 else {}
        rows.append(label | {x: at, y: fmean(values)} | ends)
    if not rows:
        return None
    drawn = [group.series for group in groups if any(row.get("series", "") == group.series.label for row in rows)]
    x_axis = step_axis(rows) if x == STEP else quantity(x, grid=False)
    y_axis = log_quantity(y, means) if logarithmic else quantity(y, {"zero": True}, format="~g")
    return trend(rows, x_axis, y_axis, drawn, interval="band")


def is_logarithmic(values: Sequence[float]) -> bool:
    """values: above 0."""
    return bool(values) and max(values) > LOG_RATIO * min(values)


def drift_heatmap(groups: Sequence[Group]) -> Chart:
    means = {group.series.label: weights.mean_drift(group.runs) for group in groups}
    return Chart(
        "drift-heatmap",
        "Relative drift of each matrix at the last checkpoint",
        "Frobenius norm of the change over that of the base matrix; one logarithmic color scale for all. Gray cells "
        "with a 0 are exactly 0: frozen.",
        weights.heatmap(means),
        "No drift of the weights was measured.",
    )


def distance_charts(groups: Sequence[Group]) -> list[Chart]:
    """Drift over steps, and divergence over steps for each set of texts, and over positions of the first."""
    charts = [
        Chart(
            "drift",
            "Drift over steps",
            "Relative change of the weights, mean over all matrices of all layers.",
            curves(groups, weights.drift_over_steps, STEP, f"mean {weights.UNIT}"),
            "No drift of the weights was measured.",
        )
    ]
    sets = distance.text_sets([run for group in groups for run in group.runs])
    for name in sets:
        caption = f"KL(base ‖ tuned), full vocabulary, teacher-forced on {name}; mean over positions, then items."
        absent = f"No divergence on {name} was measured."
        title = f"Divergence from the base over steps, {name}"
        plot = curves(groups, partial(distance.kl_over_steps, text_set=name), STEP, distance.UNIT)
        charts.append(Chart(f"kl-{slug(name)}", title, caption, plot, absent))
    if not sets:
        absent = "No divergence from the base was measured."
        return [*charts, Chart("kl", "Divergence from the base over steps", "Forward KL.", None, absent)]
    first = sets[0]
    places = curves(groups, partial(distance.kl_over_positions, text_set=first), PLACE, distance.UNIT)
    if places:
        caption = f"Forward KL at the last checkpoint by place in the text, {first}."
        charts.append(Chart("kl-positions", "Where in the text it diverges", caption, places, ""))
    return charts


def slug(name: str) -> str:
    """A name as an identifier of the page and of a file."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
