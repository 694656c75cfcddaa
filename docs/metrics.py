"""Writes docs/metrics.md from the table of metrics: `make docs`."""

from collections.abc import Iterable
from pathlib import Path

from rayrl.metric_table import EVALUATION, STEP, Metric

HEAD = """# Metrics

`make docs` makes this page from [metric_table.py](../rayrl/metric_table.py). A name that is not in that table cannot be
logged.

A run writes `metrics.jsonl`: one JSON object a line, with `kind`, `step`, `time` (UTC) and `elapsed_s` (seconds of the
run, over all its resumes). `kind` is `step`, `eval` or `event`; an event has `event` and `detail` and no figures. A
missing value is null. Names in braces are placeholders, such as a benchmark's name. A `share` is a number in 0..1. A
step of several optimizer updates logs one figure: their mean, unless the table says otherwise.

To add a metric: a row in `STEP` or `EVALUATION` of that file, the code that logs it, `make docs`.
"""


def page() -> str:
    return f"{HEAD}\n## A step\n\n{_table(STEP)}\n## An evaluation\n\n{_table(EVALUATION)}"


def _table(metrics: Iterable[Metric]) -> str:
    rows = ["| name | unit | meaning |", "|---|---|---|"]
    return "\n".join([*rows, *map(_row, metrics)]) + "\n"


def _row(metric: Metric) -> str:
    over = "" if metric.over_updates == "mean" else f" Over a step's updates: {metric.over_updates}."
    return f"| `{metric.name}` | {metric.unit} | {metric.meaning.replace('|', chr(92) + '|')}{over} |"


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
