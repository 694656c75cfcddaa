"""How far the model's predictions moved from the base's: KL(base ‖ tuned). Rows are those of divergence.jsonl."""

from collections.abc import Sequence

from rayrl.report.results import by_step, value
from rayrl.report.run_directory import Run

UNIT = "forward KL (nats/token)"


def text_sets(runs: Sequence[Run]) -> list[str]:
    """Names of the texts that any of the runs was measured on, in order of writing."""
    return list(dict.fromkeys(str(row.get("set")) for run in runs for row in run.divergence))


def kl_over_steps(run: Run, text_set: str) -> dict[float, float]:
    """{step: forward KL}"""
    found = {}
    for step, rows in by_step(run.divergence).items():
        for row in rows:
            kl = value(row, "forward_kl")
            if str(row.get("set")) == text_set and kl is not None:
                found[float(step)] = kl
    return found


def last_kl(run: Run, text_set: str) -> float | None:
    """Forward KL at the last step; None where it was not measured."""
    points = kl_over_steps(run, text_set)
    return points[max(points)] if points else None


def kl_over_positions(run: Run, text_set: str) -> dict[float, float]:
    """{middle of a part of the text, in percent of its tokens: forward KL} at the last step."""
    rows = [row for row in run.divergence if str(row.get("set")) == text_set and isinstance(row.get("step"), int)]
    last = max(rows, key=lambda row: row["step"], default={})
    parts = [part for part in last.get("by_position") or [] if isinstance(part, dict)]
    found = {}
    for part in parts:
        start, end, kl = value(part, "from"), value(part, "to"), value(part, "forward_kl")
        if start is not None and end is not None and kl is not None:
            found[50 * (start + end)] = kl
    return found
