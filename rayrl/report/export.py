"""Figures of a report as files: what is drawn as CSV, and a PNG of it."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rayrl.report.charts import Chart
from rayrl.report.figures import Figure

Row = dict[str, Any]


def write_figures(charts: Iterable[Chart], folder: Path) -> list[Path]:
    """Writes ID.csv and ID.png of every chart that has a figure; returns the paths. The folder is made."""
    from rayrl.report.png import draw

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in charts:
        if chart.figure is None:
            continue
        table, picture = folder / f"{chart.id}.csv", folder / f"{chart.id}.png"
        write_table(table, figure_rows(chart.figure))
        draw(chart.figure, picture)
        written += [table, picture]
    return written


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """CSV with the columns of all rows in order of first use; what a row has not is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)


def _plain(value: Any) -> Any:
    """A spreadsheet takes text that begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def figure_rows(figure: Figure) -> list[Row]:
    """A row for each thing drawn. Columns are named by the axes' titles, with their units; ranges are low and high."""
    x, y = (_axis_title(figure["layout"], letter) for letter in "xy")
    rows: list[Row] = []
    for trace in figure["data"]:
        # one that names neither panel nor series has no such column
        named = {"panel": trace.get("meta"), "series": trace.get("name") or trace.get("legendgroup")}
        known = {name: text for name, text in named.items() if text}
        make = _cells if trace["type"] == "heatmap" else _band if trace.get("fill") else _marks
        rows += [known | row for row in make(trace, x, y)]
    return rows


def _axis_title(layout: Mapping[str, Any], letter: str) -> str:
    """The first title of that letter's axes: panels share it."""
    axes = (axis for name, axis in layout.items() if name.startswith(f"{letter}axis"))
    return next((str(axis["title"]["text"]) for axis in axes if axis.get("title", {}).get("text")), letter)


def _marks(trace: Mapping[str, Any], x: str, y: str) -> Iterator[Row]:
    for index, (first, second) in enumerate(zip(trace["x"], trace["y"], strict=True)):
        row = {x: first, y: second}
        for title, middle, bars in ((x, first, trace.get("error_x")), (y, second, trace.get("error_y"))):
            if bars:
                row[f"{title} low"] = middle - bars["arrayminus"][index]
                row[f"{title} high"] = middle + bars["array"][index]
        yield row | ({"note": trace["text"][index]} if "text" in trace else {})


def _band(trace: Mapping[str, Any], x: str, y: str) -> Iterator[Row]:
    """A polygon: the upper edge from left to right, then the lower one back."""
    half = len(trace["x"]) // 2
    for place, high, low in zip(trace["x"][:half], trace["y"][:half], trace["y"][: half - 1 : -1], strict=True):
        yield {x: place, f"{y} low": low, f"{y} high": high}


def _cells(trace: Mapping[str, Any], x: str, y: str) -> Iterator[Row]:
    for name, shown, values in zip(trace["y"], trace["z"], trace["customdata"], strict=True):
        for place, drawn, value in zip(trace["x"], shown, values, strict=True):
            if drawn is not None:
                yield {x: place, y: name, "value": value}
