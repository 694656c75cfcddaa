"""Plotly figures as plain dictionaries (`data`, `layout`): plotly.js draws them in the page, Python needs no plotly."""

import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]
Row = dict[str, Any]

# Okabe and Ito's palette: told apart by colour-blind readers, and of different lightness in grey print.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#8a8f98",
)
INK, GRID = "#1f2933", "#e4e7eb"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
STEP_AXIS = "training step"
AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "linecolor": "#9aa5b1",
    "zeroline": False,
    "automargin": True,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": "#9aa5b1",
}
LOOK: dict[str, Any] = {
    "font": {"family": FONT, "size": 12, "color": INK},
    "margin": {"l": 56, "r": 14, "t": 10, "b": 44},
    "paper_bgcolor": "#ffffff",
    "plot_bgcolor": "#ffffff",
    "showlegend": False,
}


def value(record: Row, name: str) -> float | None:
    """The record's number of that name; None where it is absent or not finite."""
    found = record.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return float(found)
    return None


def series(records: Sequence[Row], name: str) -> tuple[list[int], list[float]]:
    """(steps, values) of the records that have the number."""
    points = [(record["step"], found) for record in records if (found := value(record, name)) is not None]
    return [step for step, _ in points], [found for _, found in points]


def layout(y_title: str, steps: Sequence[int], **changes: Any) -> dict[str, Any]:
    """The look that all charts over steps share; `changes` are merged into it, `y` into its y-axis."""
    few = not steps or max(steps) - min(steps) <= 10
    x_axis: dict[str, Any] = AXIS | {"title": {"text": STEP_AXIS, "standoff": 8}, "showgrid": False}
    if steps:
        margin = 0.6 if few else 0.015 * (max(steps) - min(steps)) + 0.5
        x_axis["range"] = [min(steps) - margin, max(steps) + margin]
    x_axis |= {"dtick": 1, "tickformat": "d"} if few else {"nticks": 9, "tickformat": "d"}
    y_axis = AXIS | {"title": {"text": y_title, "standoff": 8}, "nticks": 6} | changes.pop("y", {})
    return LOOK | {"hovermode": "x unified", "xaxis": x_axis, "yaxis": y_axis} | changes


def line(records: Sequence[Row], name: str, y_title: str, *, factor: float = 1.0, **changes: Any) -> Figure | None:
    """One quantity over steps, times `factor`. None where no record has it."""
    steps, values = series(records, name)
    if not steps:
        return None
    return {"data": [_trace(steps, [factor * v for v in values])], "layout": layout(y_title, steps, **changes)}


def lines(records: Sequence[Row], names: dict[str, str], y_title: str, **changes: Any) -> Figure | None:
    """Several quantities {metric: label} of one unit over steps. None where no record has any."""
    data, seen = [], []
    for (name, label), colour, dash in zip(names.items(), (BLUE, RED, GREEN), ("solid", "dash", "dot"), strict=False):
        steps, values = series(records, name)
        if steps:
            trace = _trace(steps, values, colour) | {"name": label}
            trace["line"] |= {"dash": dash}
            data.append(trace)
            seen += steps
    return {"data": data, "layout": layout(y_title, seen, **changes)} if data else None


def _trace(steps: list[int], values: list[float], colour: str = BLUE) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(steps) <= 40 else "lines",
        "x": steps,
        "y": values,
        "line": {"color": colour, "width": 2},
        "marker": {"size": 5, "color": colour},
        "hovertemplate": "%{y:.4~g}",
        "name": "",
    }


def banded(records: Sequence[Row], name: str, low: str, high: str, y_title: str) -> Figure | None:
    """A mean over steps with the band from `low` to `high`. None where no record has the mean."""
    figure = line(records, name, y_title)
    if figure is None:
        return None
    with_band = [r for r in records if value(r, low) is not None and value(r, high) is not None]
    steps, lows = series(with_band, low)
    highs = series(with_band, high)[1]
    band: dict[str, Any] = {
        "type": "scatter",
        "x": steps + steps[::-1],
        "y": highs + lows[::-1],
        "fill": "toself",
        "fillcolor": "rgba(0, 114, 178, 0.18)",
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
    }
    if len(steps) == 1:
        band = {
            "type": "scatter",
            "x": steps,
            "y": series(with_band, name)[1],
            "mode": "markers",
            "marker": {"color": BLUE},
        }
        middle = band["y"][0]
        band["error_y"] = error_bars([highs[0] - middle], [middle - lows[0]]) | {"color": BLUE}
    return {"data": [band, *figure["data"]] if steps else figure["data"], "layout": figure["layout"]}


def error_bars(above: list[float], below: list[float]) -> dict[str, Any]:
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.5, "width": 5}


def points(steps: list[int], shares: list[float], lows: list[float], highs: list[float], y_title: str) -> Figure:
    """Shares (0..1) over steps in percent, with error bars."""
    trace = _trace(steps, [100 * share for share in shares])
    trace |= {
        "mode": "lines+markers",
        "marker": {"size": 8, "color": BLUE},
        "hovertemplate": "%{y:.1f} %",
        "error_y": error_bars(
            [100 * (high - share) for high, share in zip(highs, shares, strict=True)],
            [100 * (share - low) for low, share in zip(lows, shares, strict=True)],
        )
        | {"color": "#3e4c59"},
    }
    top = min(103.0, 115 * max(highs) + 1)
    return {"data": [trace], "layout": layout(y_title, steps, y={"range": [0, top]})}


def stacked(steps: list[int], parts: dict[str, tuple[str, list[float]]], y_title: str, **changes: Any) -> Figure:
    """Bars over steps from {label: (colour, values)}, stacked in that order."""
    data = [
        {
            "type": "bar",
            "name": label,
            "x": steps,
            "y": values,
            "marker": {"color": colour},
            "hovertemplate": "%{y:.3~g}",
        }
        for label, (colour, values) in parts.items()
    ]
    extra = {"barmode": "stack", "bargap": 0.25 if len(steps) <= 60 else 0.0}
    if len(steps) == 1:
        extra["bargap"] = 0.75
    return {"data": data, "layout": layout(y_title, steps, **extra, **changes)}


def faded(colour: str, opacity: float) -> str:
    """A colour #rrggbb with an opacity in 0..1."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def cells(count: int, columns: int, gap: tuple[float, float]) -> list[tuple[list[float], list[float]]]:
    """Places of `count` equal panels, row by row from the top: (x domain, y domain) as shares of the figure.

    gap: (between columns, between rows), also shares.
    """
    rows = -(-count // columns)
    width, height = (1 - gap[0] * (columns - 1)) / columns, (1 - gap[1] * (rows - 1)) / rows
    places = []
    for index in range(count):
        row, column = divmod(index, columns)
        left, top = column * (width + gap[0]), 1 - row * (height + gap[1])
        places.append(([left, left + width], [max(0.0, top - height), top]))
    return places


def panel_title(text: str, place: tuple[list[float], list[float]]) -> dict[str, Any]:
    """The annotation above a panel."""
    (left, _), (_, top) = place
    return {
        "text": text,
        "x": left,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12.5, "color": INK},
    }


def numbered(axis: str, index: int) -> str:
    """Plotly's name of the index-th axis: "x", "x2", …"""
    return axis if index == 0 else f"{axis}{index + 1}"
