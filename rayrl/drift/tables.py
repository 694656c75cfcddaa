"""Drift for people: a row a layer and a column a kind, and a row a kind with everything else."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.table import Column, Table

Rows = Sequence[Mapping[str, Any]]
_ORDER = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_FIGURES = ("relative_frobenius", "changed_bf16", "spectral_norm", "stable_rank", "effective_rank", "alignment")


def _kinds(rows: Rows) -> list[str]:
    """As they come, but for the usual matrices, which come first and in their usual order."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    last = [kind.rpartition(".")[2] for kind in kinds]
    places = [_ORDER.index(name) if name in _ORDER else len(_ORDER) for name in last]
    return [kind for _, kind in sorted(zip(places, kinds, strict=True), key=lambda pair: pair[0])]


def layer_table(rows: Rows) -> Table:
    """Relative Frobenius change of each tensor in a layer; the last row has means over layers."""
    rows = [row for row in rows if row["layer"] is not None]
    kinds = _kinds(rows)
    columns = (Column(name, justify="right") for name in ("layer", *(kind.replace(".", "\n") for kind in kinds)))
    table = Table(*columns, title="|W - B| / |B| (Frobenius)")
    for layer in sorted({row["layer"] for row in rows}):
        found = {row["kind"]: row["relative_frobenius"] for row in rows if row["layer"] == layer}
        table.add_row(str(layer), *(_number(found.get(kind)) for kind in kinds))
    table.add_section()
    means = (_mean([row for row in rows if row["kind"] == kind], "relative_frobenius") for kind in kinds)
    table.add_row("mean", *map(_number, means))
    return table


def kind_table(rows: Rows) -> Table:
    """Means over the layers of each kind."""
    figures = [name for name in _FIGURES if any(name in row for row in rows)]
    numbers = (Column(name.replace("_", " "), justify="right") for name in ("tensors", *figures))
    table = Table("kind", *numbers, title="means over layers")
    for kind in _kinds(rows):
        own = [row for row in rows if row["kind"] == kind]
        table.add_row(kind, str(len(own)), *(_number(_mean(own, figure)) for figure in figures))
    return table


def _mean(rows: Rows, figure: str) -> float | None:
    values = [row[figure] for row in rows if row.get(figure) is not None]
    return fmean(values) if values else None


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if not value else f"{value:.3e}" if value < 0.01 else f"{value:.4g}"
