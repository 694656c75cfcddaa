"""Draws the report's figures (plain Plotly dictionaries) with matplotlib: the part of Plotly that the report uses."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rayrl.report.figures import INK, Figure

INCH, DPI = 100, 200
"""Figure pixels an inch, and dots an inch of the file."""
WIDTH, PANELS_WIDTH, HEIGHT = 640, 1150, 380
LEGEND_LINE = 22
POINTS = 72 / INCH
DASHES: dict[str, Any] = {"solid": "-", "dash": "--", "dot": ":"}
MARKERS = {"circle": "o", "square": "s", "diamond": "D"}


def draw(figure: Figure, path: Path) -> None:
    """Writes a PNG. Axes, titles, ranges, colours and marks are those of the page; the legend stands below."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    layout = figure["layout"]
    keys = _legend(figure)
    width = PANELS_WIDTH if "annotations" in layout else WIDTH
    columns = max(1, width // (60 + 9 * max(map(len, keys), default=1)))
    below = LEGEND_LINE * -(-len(keys) // columns) + 6 if keys else 0
    margin = {"l": 70, "r": 20, "t": 20, "b": 60} | {
        side: max(layout["margin"][side], least) for side, least in (("l", 70), ("r", 20), ("t", 20), ("b", 60))
    }
    inner = (width - margin["l"] - margin["r"], layout.get("height", HEIGHT) - margin["t"] - margin["b"])
    size = (width, inner[1] + margin["t"] + margin["b"] + below)
    # DejaVu Sans comes with matplotlib: the picture is the same on every machine
    with rc_context({"font.family": "DejaVu Sans", "font.size": 12 * POINTS, "text.color": INK, "text.usetex": False}):
        canvas = Canvas(figsize=(size[0] / INCH, size[1] / INCH), dpi=DPI, facecolor="white")

        def place(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float, float]:
            """Domains -> matplotlib's left, bottom, width, height as shares of the canvas."""
            left, bottom = margin["l"] + x[0] * inner[0], below + margin["b"] + y[0] * inner[1]
            wide, high = (x[1] - x[0]) * inner[0], (y[1] - y[0]) * inner[1]
            return left / size[0], bottom / size[1], wide / size[0], high / size[1]

        for traces, x_axis, y_axis in _panels(figure):
            axes = canvas.add_axes(place(x_axis.get("domain", (0, 1)), y_axis.get("domain", (0, 1))))
            _draw_panel(axes, traces, x_axis, y_axis)
            for trace in traces:
                if trace.get("colorbar"):
                    left, bottom, wide, high = place((0, 1), (0, 1))
                    bar = canvas.add_axes((left + wide + 14 / size[0], bottom, 14 / size[0], high))
                    _color_bar(bar, trace)
        for note in layout.get("annotations", ()):
            left, bottom, _, _ = place((note["x"], 1), (note["y"], 1))
            canvas.text(left, bottom + 5 / size[1], _literal(note["text"]), ha="left", va="bottom")
        if keys:
            canvas.legend(
                list(keys.values()), list(map(_literal, keys)), loc="lower center", ncols=columns, frameon=False
            )
        canvas.savefig(path, dpi=DPI, metadata={"Software": None})


def _panels(figure: Figure) -> list[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]]:
    """(traces, x-axis, y-axis) of each pair of axes."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for trace in figure["data"]:
        found.setdefault((trace.get("xaxis", "x"), trace.get("yaxis", "y")), []).append(trace)
    layout = figure["layout"]
    return [
        (traces, layout[x.replace("x", "xaxis")], layout[y.replace("y", "yaxis")] | {"barmode": layout.get("barmode")})
        for (x, y), traces in found.items()
    ]


def _draw_panel(axes: Any, traces: list[dict[str, Any]], x_axis: dict[str, Any], y_axis: dict[str, Any]) -> None:
    categories = _categories(traces, y_axis)
    heights: dict[Any, float] = {}
    for trace in traces:
        if trace["type"] == "heatmap":
            _heatmap(axes, trace, categories)
        elif trace["type"] == "bar":
            _bars(axes, trace, categories, heights)
        else:
            _scatter(axes, trace, categories)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for letter, axis in (("x", x_axis), ("y", y_axis)):
        _scale(axes, letter, axis, categories if letter == "y" else [])
    axes.set_axisbelow(True)


def _categories(traces: list[dict[str, Any]], y_axis: dict[str, Any]) -> list[Any]:
    if y_axis.get("type") != "category":
        return []
    return list(y_axis.get("categoryarray") or dict.fromkeys(y for trace in traces for y in trace["y"]))


def _scatter(axes: Any, trace: dict[str, Any], categories: list[Any]) -> None:
    x, y = trace["x"], [categories.index(value) if categories else value for value in trace["y"]]
    line, marker = trace.get("line", {}), trace.get("marker", {})
    if trace.get("fill"):
        axes.fill(x, y, color=_colour(trace["fillcolor"]), linewidth=0)
        return
    if "lines" in trace["mode"]:
        axes.plot(x, y, color=line["color"], linestyle=DASHES[line.get("dash", "solid")], linewidth=2 * POINTS * 1.2)
    for bars in (trace.get("error_x"), trace.get("error_y")):
        if bars:
            side = "xerr" if bars is trace.get("error_x") else "yerr"
            ends = [[max(0.0, v) for v in bars["arrayminus"]], [max(0.0, v) for v in bars["array"]]]
            colour = _colour(bars.get("color", marker["color"]))
            width = bars["thickness"] * POINTS * 1.2
            axes.errorbar(x, y, **{side: ends}, fmt="none", ecolor=colour, elinewidth=width, capsize=2)
    if "markers" in trace["mode"]:
        symbol, _, is_open = marker.get("symbol", "circle").partition("-")
        edge = marker.get("line", {}).get("color", marker["color"])
        face = "white" if is_open else marker["color"]
        size = marker.get("size", 6) * POINTS
        axes.plot(x, y, MARKERS[symbol], markersize=size, markerfacecolor=face, markeredgecolor=edge, zorder=3)


def _bars(axes: Any, trace: dict[str, Any], categories: list[Any], heights: dict[Any, float]) -> None:
    """Stacked: `heights` holds how far each place is filled already."""
    colour = trace["marker"]["color"]
    if trace.get("orientation") == "h":
        places, values = [categories.index(name) for name in trace["y"]], trace["x"]
        axes.barh(places, values, 0.7, left=[heights.get(place, 0.0) for place in places], color=colour)
    else:
        places, values = trace["x"], trace["y"]
        axes.bar(places, values, 0.75, bottom=[heights.get(place, 0.0) for place in places], color=colour)
    heights.update({place: heights.get(place, 0.0) + value for place, value in zip(places, values, strict=True)})


def _heatmap(axes: Any, trace: dict[str, Any], categories: list[Any]) -> None:
    import numpy as np

    cells = np.array([[np.nan if value is None else value for value in row] for row in trace["z"]], dtype=float)
    rows = [categories.index(name) for name in trace["y"]]
    axes.pcolormesh(trace["x"], rows, cells, edgecolors="white", linewidth=0.4, **_colours(trace))
    for row, texts in zip(rows, trace.get("text", ()), strict=False):
        for place, text in zip(trace["x"], texts, strict=True):
            axes.text(place, row, text, ha="center", va="center", fontsize=9 * POINTS)


def _colours(trace: dict[str, Any]) -> dict[str, Any]:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    named = trace["colorscale"]
    scale = colormaps[named.lower()] if isinstance(named, str) else ListedColormap([colour for _, colour in named])
    return {"cmap": scale, "vmin": trace["zmin"], "vmax": trace["zmax"]}


def _color_bar(axes: Any, trace: dict[str, Any]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    drawn, bar = _colours(trace), trace["colorbar"]
    scale = ScalarMappable(Normalize(drawn["vmin"], drawn["vmax"]), drawn["cmap"])
    ticks = axes.figure.colorbar(scale, cax=axes, ticks=bar["tickvals"])
    ticks.ax.set_yticklabels(bar["ticktext"])
    ticks.outline.set_visible(False)
    ticks.set_label(bar["title"]["text"])


def _scale(axes: Any, letter: str, axis: Mapping[str, Any], categories: list[Any]) -> None:
    """Title, type, range, ticks, grid and zero line of one axis."""
    from matplotlib.ticker import MaxNLocator

    own = axes.xaxis if letter == "x" else axes.yaxis
    set_limits = axes.set_xlim if letter == "x" else axes.set_ylim
    own.set_label_text(axis["title"].get("text", ""))
    logarithmic = axis.get("type") == "log"
    if logarithmic:
        (axes.set_xscale if letter == "x" else axes.set_yscale)("log")
    if "range" in axis:
        set_limits(*(10**end if logarithmic else end for end in axis["range"]))
    elif axis.get("rangemode") == "tozero":
        low, high = (axes.get_xlim if letter == "x" else axes.get_ylim)()
        set_limits(min(0.0, low), max(0.0, high))
    if axis.get("autorange") == "reversed":
        axes.yaxis.set_inverted(True)
    if categories:
        labels = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
        own.set_ticks(range(len(categories)), [_literal(labels.get(name, "")) for name in categories])
    elif not logarithmic:
        whole = axis.get("tickformat") == "d"
        own.set_major_locator(MaxNLocator(axis.get("nticks", 8), integer=whole, steps=[1, 2, 5, 10]))
    if axis.get("showgrid", True):
        own.grid(True, color=axis["gridcolor"], linewidth=0.6)
    if axis.get("zeroline"):
        (axes.axvline if letter == "x" else axes.axhline)(0, color=axis["zerolinecolor"], linewidth=0.8, zorder=1)
    own.set_tick_params(color=axis["tickcolor"], length=3)
    for spine in axes.spines.values():
        spine.set_color(axis["linecolor"])


def _legend(figure: Figure) -> dict[str, Any]:
    """{name: what stands beside it}"""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: dict[str, Any] = {}
    for trace in figure["data"]:
        name, marker = trace.get("name"), trace.get("marker", {})
        if not name or name in keys:
            continue
        if trace["type"] == "bar":
            keys[name] = Patch(color=marker["color"])
            continue
        symbol, _, is_open = marker.get("symbol", "circle").partition("-")
        style: Any = DASHES[trace["line"].get("dash", "solid")] if "line" in trace else ""
        face = "white" if is_open else marker["color"]
        keys[name] = Line2D([], [], color=marker["color"], linestyle=style, marker=MARKERS[symbol], mfc=face, ms=5)
    return keys


def _colour(text: str) -> Any:
    """`rgba(r, g, b, a)` -> (r, g, b, a) in 0..1; others as they are."""
    found = re.fullmatch(r"rgba\((\d+), (\d+), (\d+), ([\d.]+)\)", text)
    return (*(int(part) / 255 for part in found.groups()[:3]), float(found[4])) if found else text


def _literal(text: str) -> str:
    """Matplotlib takes what stands between dollars for mathematics: an arm's name is not."""
    return text.replace("$", r"\$")
