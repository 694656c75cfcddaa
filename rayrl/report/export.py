"""Charts and tables of a report as files: the rows that are drawn as CSV, and a PNG of them."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rayrl.report.drawing import png
from rayrl.report.plot import Chart


def write_figures(charts: Iterable[Chart], folder: Path) -> list[Path]:
    """Writes ID.csv and ID.png of every chart that has a plot; returns the paths. The folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in charts:
        if chart.plot is None:
            continue
        table, picture = folder / f"{chart.id}.csv", folder / f"{chart.id}.png"
        write_table(table, chart.plot.rows)
        picture.write_bytes(png(chart.plot))
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
