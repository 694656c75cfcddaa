"""How far the weights moved: by layer and matrix, and the mean over steps. Rows are those of drift.jsonl."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from rayrl.report.plot import Plot, Spec, names, panelled, reading, round_ticks
from rayrl.report.results import Row, by_step, value
from rayrl.report.run_directory import Run

KINDS = ("q", "k", "v", "o", "gate", "up", "down")
UNIT = "‖ΔW‖ / ‖W‖"
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
    return {
        kind: fmean(v for (_, own), v in matrix.items() if own == kind)
        for kind in _in_order(kind for _, kind in matrix)
    }


def heatmap(panels: Mapping[str, Matrix]) -> Plot | None:
    """One panel for each {title: drift}, on one logarithmic scale, exact zeros in gray. None without a layer."""
    rows: list[Row] = [
        {"panel": title, "layer": layer, "matrix": kind, "value": drift or 0}
        for title, matrix in panels.items()
        for (layer, kind), drift in matrix.items()
        if layer is not None
    ]
    if not rows:
        return None
    titles = list(dict.fromkeys(row["panel"] for row in rows))
    kinds = _in_order(row["matrix"] for row in rows)
    moved = [row["value"] for row in rows if row["value"] > 0] or [0.1, 1.0]
    low, high = math.log10(min(moved)) - 0.02, math.log10(max(moved)) + 0.02
    columns = min(2, len(titles))
    scale = {"type": "log", "scheme": "viridis", "domain": [10**low, 10**high]}
    legend = {
        "title": UNIT,
        "values": round_ticks(low, high),
        "format": ".0e",
        "orient": "right",
        "gradientLength": 16 * len(kinds),
    }
    color = {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}
    said = reading("layer", "value", named="matrix")
    cell: Spec = {"type": "rect", "stroke": "white", "strokeWidth": 1, "description": said}
    zero: Spec = {"transform": [{"filter": "datum.value == 0"}]}
    cells = {
        "width": 760 / columns,
        "height": 16 * len(kinds),
        "encoding": {
            "x": {"field": "layer", "type": "ordinal", "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": names("matrix", kinds),
        },
        "layer": [
            {"transform": [{"filter": "datum.value > 0"}], "mark": cell, "encoding": {"color": color}},
            zero | {"mark": cell | {"color": ZERO}},
            zero | {"mark": {"type": "text", "text": "0", "fontSize": 9}},
        ],
    }
    return Plot(rows, panelled(titles, columns, cells))


def _matrix(rows: Iterable[Row]) -> Matrix:
    found: dict[tuple[int | None, str], list[float]] = {}
    for row in rows:
        relative, layer = value(row, "relative_frobenius"), row.get("layer")
        if relative is not None and is_matrix(row):
            found.setdefault((layer if isinstance(layer, int) else None, kind_of(row)), []).append(relative)
    return {place: fmean(values) for place, values in found.items()}


def _in_order(kinds: Iterable[str]) -> list[str]:
    """Each once: those of KINDS, then the others as they come."""
    found = dict.fromkeys(kinds)
    return [kind for kind in KINDS if kind in found] + [kind for kind in found if kind not in KINDS]
