"""How far the weights moved: a heatmap layer by matrix, and the mean over steps. Rows are those of drift.jsonl."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from rayrl.report import figures
from rayrl.report.curves import Curve, curves
from rayrl.report.figures import AXIS, INK, LOOK, Figure, value
from rayrl.report.results import Row, by_step
from rayrl.report.run import Run
from rayrl.report.text import scientific

KINDS = ("q", "k", "v", "o", "gate", "up", "down")
UNIT = "‖W − W₀‖ / ‖W₀‖"
ZERO = "#dde1e6"
Matrix = dict[tuple[int | None, str], float]
"""{(layer, None outside the layers; kind): relative drift}"""


def kind_of(row: Row) -> str:
    """`self_attn.q_proj` -> `q`, `embed_tokens` as it is."""
    return str(row.get("kind")).rpartition(".")[2].removesuffix("_proj")


def is_matrix(row: Row) -> bool:
    """Not a norm's vector nor a bias: those are in drift.jsonl, the report speaks of matrices."""
    return not any(part in str(row.get("kind")) for part in ("norm", "bias"))


def last_drift(run: Run) -> Matrix:
    """Of the last checkpoint. Empty where none was measured."""
    steps = by_step(run.drift)
    return _matrix(steps[max(steps)]) if steps else {}


def mean_drift(runs: Iterable[Run]) -> Matrix:
    """Mean over runs of their last checkpoints: exactly 0 only where all of them are."""
    found: dict[tuple[int | None, str], list[float]] = {}
    for run in runs:
        for place, relative in last_drift(run).items():
            found.setdefault(place, []).append(relative)
    return {place: fmean(values) for place, values in found.items()}


def drift_over_steps(run: Run) -> dict[float, float]:
    """{step: mean over all matrices of all layers}"""
    means = {step: mean_of_layers(_matrix(rows)) for step, rows in by_step(run.drift).items()}
    return {float(step): mean for step, mean in means.items() if mean is not None}


def mean_of_layers(matrix: Matrix) -> float | None:
    """Mean over all matrices of all layers; None where there are none."""
    inside = [relative for (layer, _), relative in matrix.items() if layer is not None]
    return fmean(inside) if inside else None


def by_kind(matrix: Matrix) -> dict[str, float]:
    """{kind: mean over layers}, in the order of KINDS, then the others."""
    return {kind: fmean(v for (_, own), v in matrix.items() if own == kind) for kind in _kinds([matrix])}


def drift_curves(drawn: Sequence[Curve]) -> Figure | None:
    return curves(drawn, figures.STEP_AXIS, f"mean {UNIT}")


def heatmap(panels: Mapping[str, Matrix]) -> Figure | None:
    """One panel for each {title: drift}, on one logarithmic scale; exact zeros in grey. None where no layer is known.

    The numbers drawn are logarithms; `customdata` holds the values.
    """
    inside = {t: {p: v for p, v in matrix.items() if p[0] is not None} for t, matrix in panels.items()}
    inside = {title: matrix for title, matrix in inside.items() if matrix}
    if not inside:
        return None
    kinds = _kinds(inside.values())
    layers = sorted({layer for matrix in inside.values() for layer, _ in matrix if layer is not None})
    moved = [math.log10(v) for matrix in inside.values() for v in matrix.values() if v > 0]
    scale = (min(moved) - 0.02, max(moved) + 0.02) if moved else (-1.0, 0.0)
    columns = min(2, len(inside))
    rows = -(-len(inside) // columns)
    inner = rows * (16 * len(kinds) + 30) + (rows - 1) * 44
    places = figures.cells(len(inside), columns, (0.03, 74 / inner if rows > 1 else 0.0))
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"annotations": [], "height": inner + 82, "margin": {"l": 62, "r": 96, "t": 28, "b": 54}}
    for index, ((title, matrix), place) in enumerate(zip(inside.items(), places, strict=True)):
        x, y = figures.numbered("x", index), figures.numbered("y", index)
        data += _panel(matrix, layers, kinds, scale, {"xaxis": x, "yaxis": y, "meta": title}, first=index == 0)
        below = index + columns >= len(inside)
        x_axis = AXIS | {"domain": place[0], "anchor": y, "showgrid": False, "nticks": 10}
        y_axis = AXIS | {
            "domain": place[1],
            "anchor": x,
            "showgrid": False,
            "type": "category",
            "autorange": "reversed",
        }
        # one tick for each kind, whatever the panel's height
        labels = kinds if index % columns == 0 else [""] * len(kinds)
        y_axis |= {"tickmode": "array", "tickvals": kinds, "ticktext": labels}
        x_axis["title"] = {"text": "layer" if below else "", "standoff": 4}
        y_axis["title"] = {"text": "matrix" if index % columns == 0 else "", "standoff": 4}
        layout |= {x.replace("x", "xaxis"): x_axis, y.replace("y", "yaxis"): y_axis}
        layout["annotations"].append(figures.panel_title(title, place))
    return {"data": data, "layout": LOOK | layout | {"hovermode": "closest"}}


def _panel(
    matrix: Matrix,
    layers: Sequence[int],
    kinds: Sequence[str],
    scale: tuple[float, float],
    axes: Mapping[str, str],
    *,
    first: bool,
) -> list[dict[str, Any]]:
    """Heatmaps of what moved (log10; the values themselves as customdata) and of what is exactly 0."""
    raw = [[matrix.get((layer, kind)) for layer in layers] for kind in kinds]
    moved = [[math.log10(v) if v else None for v in row] for row in raw]
    frozen = [[0 if v == 0 else None for v in row] for row in raw]
    ticks = _ticks(*scale)
    shared = {"type": "heatmap", "x": list(layers), "y": list(kinds), "xgap": 1, "ygap": 1, **axes}
    bar = {
        "title": {"text": UNIT, "side": "right", "font": {"size": 12}},
        "tickvals": [math.log10(tick) for tick in ticks],
        "ticktext": [scientific(tick, 0) for tick in ticks],
        "thickness": 14,
        "len": 1,
        "outlinewidth": 0,
    }
    coloured = shared | {
        "z": moved,
        "customdata": raw,
        "zmin": scale[0],
        "zmax": scale[1],
        "colorscale": "Viridis",
        "showscale": first,
        "hovertemplate": "layer %{x}, %{y}: %{customdata:.3g}<extra></extra>",
    }
    if first:
        coloured["colorbar"] = bar
    zeros = shared | {
        "z": frozen,
        "customdata": frozen,
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, ZERO], [1, ZERO]],
        "showscale": False,
        "text": [["0" if v == 0 else "" for v in row] for row in frozen],
        "texttemplate": "%{text}",
        "textfont": {"size": 9, "color": INK},
        "hovertemplate": "layer %{x}, %{y}: exactly 0<extra></extra>",
    }
    return [coloured, zeros] if any(v == 0 for row in frozen for v in row) else [coloured]


def _ticks(low: float, high: float) -> list[float]:
    """Round values between the powers of ten `low` and `high`: as few digits of each decade as give three or more."""
    decades = [10.0**power for power in range(math.floor(low), math.ceil(high) + 1)]
    for digits in ((1,), (1, 2, 5), tuple(range(1, 10))):
        ticks = [digit * decade for decade in decades for digit in digits if low <= math.log10(digit * decade) <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _matrix(rows: Iterable[Row]) -> Matrix:
    found: dict[tuple[int | None, str], list[float]] = {}
    for row in rows:
        relative, layer = value(row, "relative_frobenius"), row.get("layer")
        if relative is not None and is_matrix(row):
            found.setdefault((layer if isinstance(layer, int) else None, kind_of(row)), []).append(relative)
    return {place: fmean(values) for place, values in found.items()}


def _kinds(matrices: Iterable[Matrix]) -> list[str]:
    found = dict.fromkeys(kind for matrix in matrices for _, kind in matrix)
    return [kind for kind in KINDS if kind in found] + [kind for kind in found if kind not in KINDS]
