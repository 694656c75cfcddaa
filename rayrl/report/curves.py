"""Several runs of several arms over one x-axis: a line for each arm's mean, a band from its lowest to highest run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rayrl.report import figures
from rayrl.report.figures import AXIS, LOOK, Figure

LOG_RATIO = 30
"""A y-axis is logarithmic where the largest mean is this many times the smallest above 0."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm: {x: value} of each of its runs."""

    label: str
    runs: Sequence[Mapping[float, float]]
    colour: str = figures.BLUE
    dash: str = "solid"
    symbol: str = "circle"

    @property
    def points(self) -> dict[float, list[float]]:
        """{x: values of the runs that have one}, in order of x."""
        found: dict[float, list[float]] = {}
        for run in self.runs:
            for x, y in run.items():
                if math.isfinite(y):
                    found.setdefault(x, []).append(y)
        return dict(sorted(found.items()))


def curves(drawn: Sequence[Curve], x_title: str, y_title: str) -> Figure | None:
    """None where no curve has a point. On a logarithmic axis points at exactly 0 are left out: see `is_logarithmic`."""
    logarithmic = is_logarithmic(drawn)
    bands, lines = [], []
    for curve in drawn:
        points = {x: values for x, values in curve.points.items() if not logarithmic or min(values) > 0}
        if not points:
            continue
        lines.append(_line(curve, points))
        if any(len(values) > 1 for values in points.values()):
            bands.append(_band(curve, points))
    if not lines:
        return None
    x_axis = AXIS | {"title": {"text": x_title, "standoff": 8}, "showgrid": False, "nticks": 9}
    y_axis = AXIS | {"title": {"text": y_title, "standoff": 8}, "nticks": 6}
    if logarithmic:
        values = [y for line in lines for y in line["y"]]
        y_axis |= {"type": "log", "dtick": 1 if max(values) > 100 * min(values) else "D2", "exponentformat": "none"}
    else:
        y_axis |= {"rangemode": "tozero"}
    look = {"hovermode": "x unified", "xaxis": x_axis, "yaxis": y_axis, "margin": LOOK["margin"] | {"l": 64}}
    return {"data": bands + lines, "layout": LOOK | look}


def is_logarithmic(drawn: Sequence[Curve]) -> bool:
    means = [fmean(values) for curve in drawn for values in curve.points.values() if min(values) > 0]
    return bool(means) and max(means) > LOG_RATIO * min(means)


def _line(curve: Curve, points: Mapping[float, list[float]]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": curve.label,
        "x": list(points),
        "y": [fmean(values) for values in points.values()],
        "line": {"color": curve.colour, "width": 2, "dash": curve.dash},
        "marker": {"size": 6, "color": curve.colour, "symbol": curve.symbol},
        "hovertemplate": "%{y:.3~g}",
    }


def _band(curve: Curve, points: Mapping[float, list[float]]) -> dict[str, Any]:
    x = list(points)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "",
        "legendgroup": curve.label,
        "x": x + x[::-1],
        "y": [max(values) for values in points.values()] + [min(values) for values in points.values()][::-1],
        "fill": "toself",
        "fillcolor": figures.faded(curve.colour, 0.15),
        "line": {"width": 0, "color": curve.colour},
        "hoverinfo": "skip",
    }
