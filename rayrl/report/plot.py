"""Plots: the rows that are drawn, and one Vega-Lite specification of how. Page, PNG and CSV are made from both.

Columns of rows are the titles of axes, with units; an interval's ends are in "TITLE low" and "TITLE high".
A title must not contain a dot or a bracket: Vega-Lite would read a path.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

# Okabe and Ito's palette: told apart by color-blind readers, and of different lightness in gray print.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GRAY = "#cc79a7", "#56b4e9", "#8a8f98"
INK = "#1f2933"
SOLID, DASHED, DOTTED = (1, 0), (6, 4), (2, 3)
STEP = "training step"
NEAR = {"zero": False}
"""A scale that need not begin at 0."""
MANY = 40
"""Points of a line beyond which they are shown only where the pointer is."""


@dataclass(frozen=True, slots=True)
class Plot:
    """`spec` has neither data nor look; its size is that of the place where it is drawn, unless it has panels."""

    rows: list[Row]
    spec: Spec


@dataclass(frozen=True, slots=True)
class Chart:
    """`plot` None: the page shows `absent` in its place."""

    id: str
    title: str
    caption: str
    plot: Plot | None
    absent: str


@dataclass(frozen=True, slots=True)
class Series:
    """What belongs together in a plot, and how it is told apart from the others."""

    label: str
    color: str = BLUE
    dash: tuple[int, int] = SOLID
    symbol: str = "circle"


def quantity(title: str, scale: Mapping[str, Any] = NEAR, **axis: Any) -> Spec:
    """The encoding of a number by its place along an axis."""
    return {"field": title, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def names(field: str, order: Iterable[str]) -> Spec:
    """The encoding of a name by its place from the top."""
    return {"field": field, "type": "nominal", "sort": list(order)}


def percent_row(title: str, share: float, low: float, high: float) -> Row:
    """Columns of a share (-1..1) and of its interval, in percent."""
    return {title: 100 * share, f"{title} low": 100 * low, f"{title} high": 100 * high}


def ticks_at(values: Iterable[float]) -> Spec:
    """Vega leaves some out where they are more than the axis has room for by its own count."""
    chosen = list(values)
    return {"values": chosen, "tickCount": len(chosen)}


def step_axis(rows: Iterable[Row]) -> Spec:
    steps = [row[STEP] for row in rows]
    first, last = min(steps), max(steps)
    few = last - first <= 10
    margin = 0.6 if few else 0.015 * (last - first) + 0.5
    scale = {"domain": [first - margin, last + margin], "nice": False, "zero": False}
    every = ticks_at(range(int(first), int(last) + 1)) if few else {}
    return quantity(STEP, scale, format="d", grid=False, **every)


def log_quantity(title: str, values: Sequence[float]) -> Spec:
    """An axis over the powers of ten that `values` (all above 0) span, with round ticks."""
    low, high = 0.85 * min(values), 1.18 * max(values)
    ticks = round_ticks(math.log10(low), math.log10(high))
    return quantity(title, {"type": "log", "domain": [low, high], "nice": False}, format="~g", **ticks_at(ticks))


def round_ticks(low: float, high: float) -> list[float]:
    """Round values between the powers of ten `low` and `high`: as few digits of each decade as give three or more."""
    decades = [10.0**power for power in range(math.floor(low), math.ceil(high) + 1)]
    for digits in ((1,), (1, 2, 5), tuple(range(1, 10))):
        ticks = [digit * decade for decade in decades for digit in digits if low <= math.log10(digit * decade) <= high]
        if len(ticks) >= 3:
            break
    return ticks


def told_apart(series: Sequence[Series], *channels: str, field: str = "series", legend: bool = True) -> Spec:
    """Encodings of `field` by the series' looks. channels: color, fill, shape. None without labels."""
    ranges = {"color": [one.color for one in series], "shape": [one.symbol for one in series]}
    ranges["fill"] = ranges["color"]
    domain = [one.label for one in series]
    common: Spec = {"field": field, "type": "nominal", "legend": {"title": None} if legend else None}
    return {c: common | {"scale": {"domain": domain, "range": ranges[c]}} for c in channels} if any(domain) else {}


def _dashes(series: Sequence[Series]) -> Spec:
    """By conditions, not by a scale, which would put broken outlines into the legend."""
    dashed = [(json.dumps(one.label), one.dash) for one in series if one.dash != SOLID]
    rules = [{"test": f"datum.series == {label}", "value": dash} for label, dash in dashed]
    return {"strokeDash": {"condition": rules, "value": SOLID}} if rules else {}


def reading(first: str, *values: str, named: str = "") -> Spec:
    """What is said of a mark: its `first`; then each of `values` with its interval.

    named: the column that names the value in the row, in place of its title.
    """
    parts = [f"{json.dumps(first + ': ')} + {_shown(first)}"]
    for title in values:
        name = f"datum.{named} + ': '" if named else json.dumps(title + ": ")
        low, high = _shown(f"{title} low"), _shown(f"{title} high")
        known = f"isValid(datum[{json.dumps(title + ' low')}])"
        parts.append(f"{name} + {_shown(title)} + ({known} ? ' (' + {low} + ' to ' + {high} + ')' : '')")
    return {"expr": " + '; ' + ".join(parts)}


def _shown(title: str) -> str:
    """The expression of a value as text: whole numbers whole, others to four digits."""
    value = f"datum[{json.dumps(title)}]"
    return f"(isNumber({value}) && {value} != floor({value}) ? format({value}, '.4~g') : {value})"


def trend(rows: list[Row], x: Spec, y: Spec, series: Sequence[Series] = (), *, interval: str = "") -> Plot:
    """Lines with their points over x. interval: band, errorbar, or none; drawn for rows that have its ends."""
    said = reading(x["field"], y["field"], named="series" if series and series[0].label else "")
    points = 1 if len(rows) <= MANY * max(1, len(series)) else 0
    layers: list[Spec] = [
        {"mark": "line", "encoding": {"y": y} | told_apart(series, "color") | _dashes(series)},
        {
            "mark": {"type": "point", "filled": True, "size": 32, "opacity": points, "description": said},
            "encoding": {"y": y} | told_apart(series, "color", "shape"),
        },
    ]
    if interval:
        layers.insert(0, interval_layer(y, interval) | {"encoding": told_apart(series, "color")})
        layers[0]["encoding"] |= ends("y", y)
    return Plot(rows, {"encoding": {"x": x}, "layer": layers})


def ends(letter: str, axis: Spec) -> Spec:
    """The two ends of an interval along an axis."""
    return {letter: axis | {"field": f"{axis['field']} low"}, f"{letter}2": {"field": f"{axis['field']} high"}}


def interval_layer(axis: Spec, kind: str, opacity: float = 1.0) -> Spec:
    """A layer of the rows that have both ends; its encodings are the caller's."""
    mark: Spec = {"type": "errorbar", "ticks": {"size": 7}, "color": "#3e4c59", "opacity": opacity}
    if kind == "band":
        mark = {"type": "area", "opacity": 0.18}
    return {"mark": mark, "transform": [{"filter": f"isValid(datum['{axis['field']} low'])"}]}


def stacked(rows: list[Row], x: Spec, y: Spec, series: Sequence[Series], bar: Spec, *, along: str = "y") -> Plot:
    """Bars of the series on top of each other in their order, or side by side where `along` is x."""
    known = {row["series"] for row in rows}
    shown = [one for one in series if one.label in known]
    order = {"calculate": f"indexof({json.dumps([one.label for one in shown])}, datum.series)", "as": "order"}
    encoding = {"x": x, "y": y, "order": {"field": "order"}} | told_apart(shown, "color")
    encoding[along] = encoding[along] | {"stack": "zero"}
    across = x if along == "y" else y
    mark = {"type": "bar", "description": reading(across["field"], encoding[along]["field"], named="series")}
    return Plot(rows, {"transform": [order], "mark": mark | bar, "encoding": encoding})


def panelled(titles: Sequence[str], columns: int, panel: Spec, title: str = "panel") -> Spec:
    """A panel for each of `titles`, which rows have in the column `title`: axes of one scale, drawn below each."""
    facet = {"field": title, "type": "nominal", "title": None, "sort": list(titles)}
    return {"facet": facet, "columns": columns, "spec": panel, "resolve": {"axis": {"x": "independent"}}}
