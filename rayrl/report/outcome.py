"""What the arms of a study did to the benchmarks: changes from the base, and gain against forgetting."""

from collections.abc import Mapping, Sequence
from typing import Any

from rayrl.report import figures
from rayrl.report.comparison import IN_DOMAIN, KNOWLEDGE, Benchmarks, lookup
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
    found = lookup(compared)
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
            one = found.get((arm.name, "base", name))
            if one is not None:
                data.append(_row(arm, one.difference, one.significant) | {"xaxis": x, "yaxis": y, "meta": name})
        arms = [arm.name for arm in study.trained]
        x_axis = AXIS | {"domain": place[0], "anchor": y, "zeroline": True, "zerolinecolor": "#7b8794", "nticks": 6}
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


def tradeoff(study: Study, benchmarks: Benchmarks) -> Figure | None:
    """In-domain change against knowledge change, a mark for each finished trial. None where either is not known."""
    data = [trace for arm in study.trained if (trace := _marks(arm, _changes(arm, benchmarks)))]
    if not data:
        return None
    axis = AXIS | {"zeroline": True, "zerolinecolor": "#7b8794", "showgrid": True}
    x_axis = axis | {"title": {"text": "in-domain change from base (points)", "standoff": 8}}
    y_axis = axis | {"title": {"text": "knowledge change from base (points)", "standoff": 8}}
    return {"data": data, "layout": LOOK | {"hovermode": "closest", "xaxis": x_axis, "yaxis": y_axis}}


def _changes(arm: Arm, benchmarks: Benchmarks) -> dict[str, tuple[Difference, Difference]]:
    """{seed: (in-domain, knowledge)}"""
    found = {}
    for trial in arm.finished:
        gain, kept = (benchmarks.change(arm, role, trial) for role in (IN_DOMAIN, KNOWLEDGE))
        if gain and kept:
            found[str(trial.seed)] = (gain, kept)
    return found


def _marks(arm: Arm, changes: Mapping[str, tuple[Difference, Difference]]) -> dict[str, Any] | None:
    if not changes:
        return None
    gains, kept = ([pair[side] for pair in changes.values()] for side in (0, 1))
    faint = {"color": figures.faded(arm.colour, 0.4)}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": arm.name,
        "x": [100 * gain.mean for gain in gains],
        "y": [100 * change.mean for change in kept],
        "error_x": _bars(gains) | faint,
        "error_y": _bars(kept) | faint,
        "marker": {
            "size": 10,
            "symbol": arm.symbol if arm.dash == "solid" else f"{arm.symbol}-open",
            "color": arm.colour,
            "line": {"color": arm.colour, "width": 1.8},
        },
        "text": [f"seed {seed}" for seed in changes],
        "hovertemplate": f"{arm.name}, %{{text}}: %{{x:+.1f}} in-domain, %{{y:+.1f}} knowledge<extra></extra>",
    }
