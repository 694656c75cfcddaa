"""Intervals against published values; the log against kills, repeats and odd numbers."""

import json
import math
from pathlib import Path

import pytest

from rayrl.errors import DataError
from rayrl.metrics import MetricsLog, mean_interval, read_jsonl, read_metrics, t_quantile, wilson_interval


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0)],
)  # Newcombe 1998, table I, method 3
def test_wilson_published(correct: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=1e-4)


def test_wilson_edges() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(5, 5)[1] == 1.0
    with pytest.raises(ValueError, match="must lie in"):
        wilson_interval(6, 5)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.7062), (11, 2.2010), (30, 2.0423), (120, 1.9799)])
def test_t_quantile_tables(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, abs=2e-4)


def test_mean_interval() -> None:
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0])
    half = 3.1824 * math.sqrt(5 / 3) / 2
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))
    assert mean_interval([2.0])[0] == 2.0
    assert math.isnan(mean_interval([2.0])[1])
    assert all(map(math.isnan, mean_interval([])))


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
        read_jsonl(path)
