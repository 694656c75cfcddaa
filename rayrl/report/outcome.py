"""What the arms of a study did to the benchmarks: changes from the base, and gain against forgetting."""

from collections.abc import Sequence
from typing import Any

from rayrl.report import distance, figures
from rayrl.report.comparison import IN_DOMAIN, KNOWLEDGE, Benchmarks
from rayrl.report.curves import LOG_RATIO
from rayrl.report.figures import AXIS, LOOK, Figure
from rayrl.report.inference import Difference
from rayrl.report.trials import Arm, Study

LEFT = 7.2
"""Pixels of left margin for each letter of a category."""


def forest(study: Study, benchmarks: Benchmarks) -> Figure | None:
    """A panel for each benchmark: every arm's difference to the base. None where nothing was compared."""
    compared = benchmarks.to_base()
    names = [name for name in benchmarks.names if any(one.benchmark == name for one in compared)]
    if not names:
        return None
    found = {(one.arm, one.benchmark): one for one in compared}
    ends = [100 * end for one in compared for end in (one.difference.low, one.difference.high)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    x_range = [low - 0.06 * (high - low) - 0.1, high + 0.06 * (high - low) + 0.1]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    inner = rows * (26 * len(study.trained) + 16) + (rows - 1) * 74
    places = figures.cells(len(names), columns, (0.03, 74 / inner if rows > 1 else 0.0))
    margin = {"l": round(24 + LEFT * max(len(arm.name) for arm in study.trained)), "r": 14, "t": 28, "b": 48}
    layout: dict[str, Any] = {"annotations": [], "height": inner + 76, "margin": margin, "shapes": []}
    data = []
    for index, (name, place) in enumerate(zip(names, places, strict=True)):
        x, y = figures.numbered("x", index), figures.numbered("y", index)
        for arm in study.trained:
            one = found.get((arm.name, name))
            if one is not None:
                data.append(_row(arm, one.difference, one.significant) | {"xaxis": x, "yaxis": y, "meta": name})
        arms = [arm.name for arm in study.trained]
        x_axis = AXIS | {"domain": place[0], "anchor": y, "zeroline": True, "zerolinecolor": "#7b8794", "nticks": 6}
        x_axis["range"] = x_range
        x_axis["title"] = {"text": "change (points)", "standoff": 4}
        y_axis = AXIS | {"domain": place[1], "anchor": x, "type": "category", "categoryarray": arms[::-1]}
        y_axis |= {"range": [-0.6, len(arms) - 0.4], "tickmode": "array", "tickvals": arms, "showgrid": True}
        y_axis |= {"ticktext": arms if index % columns == 0 else [""] * len(arms)}
        y_axis["title"] = {"text": "arm" if index % columns == 0 else "", "standoff": 4}
        layout |= {x.replace("x", "xaxis"): x_axis, y.replace("y", "yaxis"): y_axis}
        layout["annotations"].append(figures.panel_title(f"{name} ({benchmarks.role(name)})", place))
    return {"data": data, "layout": LOOK | layout | {"hovermode": "closest"}}


def _row(arm: Arm, change: Difference, significant: bool) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * change.mean],
        "y": [arm.name],
        "error_x": _bars([change], thickness=1.8) | {"color": arm.colour},
        "marker": {
            "size": 10,
            "symbol": arm.symbol,
            "color": arm.colour if significant else "#ffffff",
            "line": {"color": arm.colour, "width": 1.8},
        },
        "hovertemplate": "%{x:+.1f} points<extra></extra>",
    }


def _bars(changes: Sequence[Difference], thickness: float = 1.0) -> dict[str, Any]:
    above = [100 * (change.high - change.mean) for change in changes]
    below = [100 * (change.mean - change.low) for change in changes]
    return figures.error_bars(above, below) | {"thickness": thickness, "width": 3}


def gain_and_forgetting(study: Study, benchmarks: Benchmarks) -> Figure | None:
    """In-domain change against knowledge change, a mark for each finished trial. None where either is not known."""
    data = []
    for arm in study.trained:
        found = [
            (str(trial.seed), gain, kept)
            for trial in arm.finished
            if (gain := benchmarks.change(arm, IN_DOMAIN, trial)) and (kept := benchmarks.change(arm, KNOWLEDGE, trial))
        ]
        if found:
            seeds, gains, losses = zip(*found, strict=True)
            marks = _marks(arm, seeds, [100 * gain.mean for gain in gains], losses)
            data.append(marks | {"error_x": _bars(gains) | {"color": figures.faded(arm.colour, 0.4)}})
    return _scatter(data, {"title": {"text": "Δ in-domain (points)", "standoff": 8}, "zeroline": True})


def forgetting_and_distance(study: Study, benchmarks: Benchmarks) -> Figure | None:
    """Forward KL from the base (of the first set of texts) against knowledge change, a mark for each finished trial."""
    data = []
    for arm in study.trained:
        found = []
        for trial in arm.finished:
            kept, run = benchmarks.change(arm, KNOWLEDGE, trial), trial.run
            first = next(iter(distance.text_sets([run])), None) if run else None
            kl = distance.last_kl(run, first) if run and first else None
            if kept and kl:
                found.append((str(trial.seed), kl, kept))
        if found:
            seeds, kls, losses = zip(*found, strict=True)
            data.append(_marks(arm, seeds, list(kls), losses))
    values = [kl for trace in data for kl in trace["x"]]
    x_axis: dict[str, Any] = {"title": {"text": distance.UNIT, "standoff": 8}}
    if values and max(values) > LOG_RATIO * min(values):
        x_axis |= {"type": "log", "dtick": 1, "exponentformat": "none"}
    return _scatter(data, x_axis)


def _scatter(data: list[dict[str, Any]], x_axis: dict[str, Any]) -> Figure | None:
    if not data:
        return None
    axis = AXIS | {"zerolinecolor": "#7b8794", "showgrid": True}
    y_axis = axis | {"title": {"text": "Δ knowledge (points)", "standoff": 8}, "zeroline": True}
    return {"data": data, "layout": LOOK | {"hovermode": "closest", "xaxis": axis | x_axis, "yaxis": y_axis}}


def _marks(arm: Arm, seeds: Sequence[str], x: list[float], changes: Sequence[Difference]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": arm.name,
        "x": x,
        "y": [100 * change.mean for change in changes],
        "error_y": _bars(changes) | {"color": figures.faded(arm.colour, 0.4)},
        "marker": {
            "size": 10,
            "symbol": arm.symbol if arm.dash == "solid" else f"{arm.symbol}-open",
            "color": arm.colour,
            "line": {"color": arm.colour, "width": 1.8},
        },
        "text": [f"seed {seed}" for seed in seeds],
        "hovertemplate": "%{text}: %{x:.3~g}, %{y:+.1f} points<extra>%{fullData.name}</extra>",
    }
