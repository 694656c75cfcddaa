"""Rows of a run's files: numbers of its metrics, and its benchmarks, drift and divergence from the base."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rayrl.errors import DataError
from rayrl.jsonl import read_jsonl
from rayrl.rollout_row import cut_off, share_correct

Row = dict[str, Any]
Scores = dict[str, float | None]
"""{item: share of its samples that answer correctly, None where none could be scored}"""


def read_rows(path: Path, key: Iterable[str]) -> list[Row]:
    """Rows of a JSON-lines file; of those alike in `key` (resumed runs repeat themselves) the last. No file: none."""
    if not path.is_file():
        return []
    names = tuple(key)
    return list({tuple(map(str, map(row.get, names))): row for row in read_jsonl(path)}.values())


def read_plan(path: Path) -> Row:
    """What the run said before it started (`train/plan.py`); empty where it has not been written."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); the run writes it again when it goes on") from error
    return plan if isinstance(plan, dict) else {}


def value(record: Row, name: str) -> float | None:
    """The record's number of that name; None where it is absent or not finite."""
    found = record.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return float(found)
    return None


def series(records: Sequence[Row], name: str) -> list[float]:
    """The numbers of that name, in order of the records that have one."""
    return [found for record in records if (found := value(record, name)) is not None]


def by_step(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """{step: rows}, in the order of steps. Rows without a step are left out: they belong to no point of a run."""
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        if isinstance(row.get("step"), int):
            grouped.setdefault(row["step"], []).append(row)
    return dict(sorted(grouped.items()))


def benchmark_scores(rows: Iterable[Row]) -> dict[str, Scores]:
    """{benchmark: scores} of the rows of one step. Older rows have no `item`: there it is their place that counts."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row.get("benchmark")), []).append(row)
    return {name: scores(own, lambda row: str(row.get("item", row.get("index")))) for name, own in found.items()}


def share_cut_off(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Of completions; None where none says how it ended, as older rows do not."""
    known = [cut_off(row) for row in rows if row.get("finish_reason")]
    return fmean(known) if known else None


def scores(rows: Iterable[Row], item: Callable[[Row], str]) -> Scores:
    """Of each item, over its samples, in the order of items."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(item(row), []).append(row)
    return {name: share_correct(own) for name, own in found.items()}
