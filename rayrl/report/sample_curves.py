"""How pass@k and maj@k grow with k, a chart for each benchmark whose items have several samples."""

import re
from collections.abc import Mapping
from typing import Any

from rayrl.report.plot import (
    BLUE,
    DASHED,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SOLID,
    Chart,
    Plot,
    Series,
    percent_row,
    quantity,
    ticks_at,
    trend,
)
from rayrl.report.text import printable

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""{benchmark: {metric: {value, low, high}}}, as results.json has it."""
COLORS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
KINDS = {"pass": (SOLID, "circle"), "maj": (DASHED, "square")}
CAPTION = "pass@k: at least one of k samples is correct. maj@k: the most frequent answer is. Bands: 95 % interval."
SAMPLES, CORRECT = "samples k", "items (%)"


def results_of(record: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures that metrics.jsonl has of an evaluation, as `Results`."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, number in record.items():
        match = re.fullmatch(r"benchmark/([^/]+)/((?:pass|maj)@\d+)", name)
        if match:
            low, high = record.get(f"{name}_ci_low"), record.get(f"{name}_ci_high")
            found.setdefault(match[1], {})[match[2]] = {"value": number, "low": low, "high": high}
    return found


def sample_curves(results: Mapping[str, Results]) -> list[Chart]:
    """results: of each evaluation or model, by the name that it has in the legend."""
    benchmarks = dict.fromkeys(name for own in results.values() for name in own)
    charts = []
    for number, benchmark in enumerate(benchmarks):
        plot = _curves({label: own[benchmark] for label, own in results.items() if benchmark in own})
        title = f"Samples of {printable(benchmark, 60, 20)}"
        if plot:
            charts.append(Chart(f"samples-{number}", title, CAPTION, plot, ""))
    return charts


def _curves(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Plot | None:
    """None where no k above 1 was measured."""
    rows: list[dict[str, Any]] = []
    series: list[Series] = []
    for (label, own), color in zip(figures.items(), COLORS * len(figures), strict=False):
        for kind, (dash, symbol) in KINDS.items():
            name, of_kind = f"{kind}@k, {label}", f"{kind}@"
            points = {int(metric.removeprefix(of_kind)): one for metric, one in own.items() if of_kind in metric}
            known = {k: one for k, one in sorted(points.items()) if one["value"] is not None}
            rows += [
                {"series": name, SAMPLES: k} | percent_row(CORRECT, one["value"], one["low"], one["high"])
                for k, one in known.items()
            ]
            series += [Series(name, color, dash, symbol)] if known else []
    ticks = sorted({row[SAMPLES] for row in rows})
    if len(ticks) < 2:
        return None
    x = quantity(SAMPLES, {"type": "log", "base": 2, "domain": [ticks[0], ticks[-1]], "nice": False}, **ticks_at(ticks))
    return trend(rows, x, quantity(CORRECT, {"zero": True}), series, interval="band")
