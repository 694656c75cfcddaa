"""The log against kills, repeats and odd numbers."""

import json
import math
from pathlib import Path

import pytest

from rayrl.errors import DataError
from rayrl.jsonl import read_jsonl
from rayrl.metrics import MetricsLog, read_metrics


class Scalar:
    """Stands for a 0-dimensional numpy array or tensor."""

    def item(self) -> float:
        return 0.5


def test_log_roundtrip(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.append("step", 1, {"train/loss": math.nan, "a": Scalar(), "parts": [1, math.inf], "text": "x\u2028y\ud800"})
    (record,) = read_metrics(path)
    assert (record["kind"], record["step"], record["train/loss"], record["a"]) == ("step", 1, None, 0.5)
    assert record["parts"] == [1, None]
    assert record["text"].startswith("x\u2028y")
    assert record["time"].endswith("+00:00")


def test_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.append("step", 1, {"v": 1})
        log.append("step", 2, {"v": 2})
    for cut in range(1, 20):
        content = path.read_bytes()
        torn = path.with_name(f"torn_{cut}.jsonl")
        torn.write_bytes(content[: -1 - cut])
        assert [r["step"] for r in read_metrics(torn)] == [1]
        with MetricsLog(torn) as log:
            log.append("step", 2, {"v": 3})
        assert [r["v"] for r in read_metrics(torn)] == [1, 3]


def test_records_are_there_at_once(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("step", 1, {})
    assert len(read_metrics(log.path)) == 1  # before close: a kill would lose nothing
    log.close()


def test_later_records_win_but_events_stay(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        for kind, step, value in [("step", 1, 0), ("step", 2, 0), ("eval", 2, 0), ("event", 1, 0), ("step", 2, 1)]:
            log.append(kind, step, {"v": value})
        log.append("event", 1, {"v": 1})
    kept = [(r["kind"], r["step"], r["v"]) for r in read_metrics(path)]
    assert kept == [("step", 1, 0), ("eval", 2, 0), ("event", 1, 0), ("step", 2, 1), ("event", 1, 1)]


def test_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "step", "step": 1}\n{"ki\n' + json.dumps({"kind": "step", "step": 2}) + "\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not JSON"):
        read_metrics(path)
    path.write_text("[1]\n")
    with pytest.raises(DataError, match="a JSON object is wanted"):
        list(read_jsonl(path))
