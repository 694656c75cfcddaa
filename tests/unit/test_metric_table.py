import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rayrl.metric_table import EVALUATION, STEP, find_metric
from rayrl.metrics import MetricsLog, read_metrics
from rayrl.study.settings import AshaSettings
from rayrl.train.statistics import evaluation_statistics
from tests.conftest import ROOT


def test_names_are_unique_and_each_finds_itself() -> None:
    names = [metric.name for metric in STEP + EVALUATION]
    assert len(set(names)) == len(names)
    for metric in STEP + EVALUATION:
        assert find_metric(metric.name.replace("{", "").replace("}", "")).unit == metric.unit


def test_every_row_of_the_table_is_logged_by_some_code() -> None:
    table = ROOT / "rayrl" / "metric_table.py"
    code = "\n".join(path.read_text() for path in (ROOT / "rayrl").rglob("*.py") if path != table)
    assert [metric.name for metric in STEP if f'"{metric.name}"' not in code] == []


def test_every_name_in_the_code_is_in_the_table() -> None:
    """The real runs of the other tests hold it too, since the log refuses what is not there."""
    areas = "|".join({metric.name.partition("/")[0] for metric in STEP + EVALUATION})
    code = "\n".join(path.read_text() for path in (ROOT / "rayrl").rglob("*.py"))
    names = set(re.findall(rf'"((?:{areas})/[\w/]+)"', code))
    assert len(names) > 40
    for name in names:
        find_metric(name)
    row: Any = {"score": 1.0, "tokens": 3}
    for name in evaluation_statistics({"held_out": [row], "mmlu_stem": [row]}):
        find_metric(name)


def test_a_name_that_is_not_in_the_table_cannot_be_logged(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "metrics.jsonl") as log:
        with pytest.raises(ValueError, match="no metric is called 'train/los'"):
            log.append("step", 1, {"train/los": 1.0})
        log.append("step", 1, {"train/loss": 1.0, "reward/my.module:own": 0.5, "benchmark/mmlu_stem/accuracy": 0.3})
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1


def test_a_sweep_that_names_no_metric_is_refused() -> None:
    with pytest.raises(ValidationError, match="no metric is called 'train/los'"):
        AshaSettings(metric="train/los")
    assert AshaSettings(metric="benchmark/held_out/accuracy").metric == "benchmark/held_out/accuracy"
