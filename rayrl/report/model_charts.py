"""Charts of what training did to the model itself, for one run or for the arms of a study: drift and divergence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayrl.report import distance, figures, weights
from rayrl.report.charts import Chart
from rayrl.report.curves import Curve
from rayrl.report.run import Run


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are one line of a chart, and how it is drawn."""

    label: str
    runs: Sequence[Run]
    colour: str = figures.BLUE
    dash: str = "solid"
    symbol: str = "circle"

    def curve(self, points: Sequence[Mapping[float, float]]) -> Curve:
        return Curve(self.label, points, self.colour, self.dash, self.symbol)


def drift_heatmap(groups: Sequence[Group]) -> Chart:
    means = {group.label: weights.mean_drift(group.runs) for group in groups}
    return Chart(
        "drift-heatmap",
        "Relative drift of each matrix at the last checkpoint",
        "Frobenius norm of the change over that of the base matrix; one logarithmic colour scale for all. Grey cells "
        "with a 0 are exactly 0: frozen.",
        weights.heatmap(means),
        "No drift of the weights was measured.",
    )


def distance_charts(groups: Sequence[Group]) -> list[Chart]:
    """Drift over steps, and divergence over steps for each set of texts, and over positions of the first."""
    drift = [group.curve([weights.drift_over_steps(run) for run in group.runs]) for group in groups]
    charts = [
        Chart(
            "drift",
            "Drift over steps",
            "Relative change of the weights, mean over all matrices of all layers.",
            weights.drift_curves(drift),
            "No drift of the weights was measured.",
        )
    ]
    sets = distance.text_sets([run for group in groups for run in group.runs])
    for name in sets:
        drawn = [group.curve([distance.kl_over_steps(run, name) for run in group.runs]) for group in groups]
        caption = f"KL(base ‖ tuned), full vocabulary, teacher-forced on {name}; mean over positions, then items."
        absent = f"No divergence on {name} was measured."
        title = f"Divergence from the base over steps, {name}"
        charts.append(Chart(f"kl-{slug(name)}", title, caption, distance.step_curves(drawn), absent))
    if not sets:
        absent = "No divergence from the base was measured."
        charts.append(Chart("kl", "Divergence from the base over steps", "Forward KL.", None, absent))
        return charts
    for name in sets[:1]:
        drawn = [group.curve([distance.kl_over_positions(run, name) for run in group.runs]) for group in groups]
        figure = distance.position_curves(drawn)
        if figure:
            caption = f"Forward KL at the last checkpoint by place in the text, {name}."
            charts.append(Chart("kl-positions", "Where in the text it diverges", caption, figure, ""))
    return charts


def slug(name: str) -> str:
    """A name as an identifier of the page and of a file."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
