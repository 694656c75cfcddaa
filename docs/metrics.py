"""Writes docs/metrics.md from the table of metrics: `make docs`."""

from collections.abc import Iterable
from pathlib import Path

from rayrl.metric_table import EVALUATION, STEP, Metric

HEAD = """# Metrics

`make docs` makes this page from [metric_table.py](../rayrl/metric_table.py). A name that is not in that table cannot be
logged.

A run writes `metrics.jsonl`: one JSON object a line, with `kind`, `step`, `time` (UTC) and `elapsed_s` (seconds of the
run, over all its resumes). `kind` is `step`, `eval` or `event`; an event has `event` and `detail` and no figures. A
figure that cannot be said is null. What stands in braces is a name of the run's own: a benchmark, a reward function. A
unit of `share` is in 0..1. A step of several optimizer updates logs one figure: their mean, unless the table says
otherwise.
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
