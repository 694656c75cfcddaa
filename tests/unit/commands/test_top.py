"""`rayrl top` reads a run's directory while it runs, and after."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from rayrl.cli import main
from rayrl.commands.top import BARS, WIDTH, curve, screen

SETTINGS = {"steps": 8}


def step(number: int, **values: float) -> dict[str, Any]:
    times = {"wait": 3.0, "train": 4.0, "sync": 1.0, "step": 8.0, "generate": 6.0, "verify": 0.5}
    found = {f"time/{phase}_s": seconds for phase, seconds in times.items()}
    return {"kind": "step", "step": number, "elapsed_s": 8.0 * number, "reward/mean": number / 10, **found, **values}


def event(name: str, number: int = 0) -> dict[str, Any]:
    return {"kind": "event", "step": number, "event": name, "detail": "generator 0", "elapsed_s": 0.0}


EVALUATION = {"kind": "eval", "step": 0, "elapsed_s": 1.0} | {
    f"benchmark/held_out/{key}": value
    for key, value in {
        "correct": 3,
        "total": 40,
        "unscored": 0,
        "accuracy": 0.075,
        "accuracy_ci_low": 0.026,
        "accuracy_ci_high": 0.199,
        "truncated_frac": 0.0,
        "accuracy_finished": 0.075,
    }.items()
}


def text(records: list[dict[str, Any]], quiet_s: float = 5.0) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(screen("demo", SETTINGS, records, quiet_s))
    return captured.get()


def test_what_a_running_job_shows() -> None:
    groups = {"groups/sampled": 30.0, "groups/trained": 24.0, "groups/no_signal": 0.0, "groups/waiting": 6.0}
    ages = {"policy/staleness_mean": 0.5, "policy/staleness_max": 1.0}
    shown = text([EVALUATION, step(1), event("actor_lost", 1), step(2, **groups, **ages)])
    assert "demo  unfinished  step 2/8  16 s so far  about 48 s of steps left  last record 5.0 s ago" in shown
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert lines["wait"][1:5] == ["3.0", "3.0", "38", "%"]
    assert lines["generate"][1:5] == ["6.0", "6.0", "75", "%"]
    assert f"reward/mean  {BARS[0]}{BARS[-1]}  0.2, mean of 2: 0.15" in shown
    assert "staleness  mean 0.50, most 1" in shown
    assert "groups  30 sampled, 24 trained, 6 waiting" in shown
    assert "held-out after step 0: 3/40 = 0.075" in shown
    assert "actor_lost at step 1: generator 0" in shown


def test_a_run_that_has_just_begun_and_one_that_has_ended() -> None:
    assert text([]).startswith("demo  unfinished  step 0/8  0.0 s so far  last record 5.0 s ago")
    ended = text([*(step(number) for number in range(1, 9)), event("finished", 8)])
    assert ended.startswith("demo  finished  step 8/8  1 min 04 s so far\n")
    resumed = text([step(1), event("interrupted", 1), event("resumed", 1), step(2)])
    assert "unfinished" in resumed


def test_supervised_steps_show_their_loss() -> None:
    record = step(1, **{"train/loss": 2.5})
    del record["reward/mean"], record["time/generate_s"], record["time/verify_s"]
    shown = text([record])
    assert "train/loss" in shown
    assert "generate" not in shown


def test_a_long_curve_is_as_wide_as_it_may() -> None:
    assert curve([1.0, 1.0]) == BARS[0] * 2
    long = curve([float(value) for value in range(1000)])
    assert len(long) <= WIDTH
    assert (long[0], long[-1]) == (BARS[0], BARS[-1])


def test_it_prints_once_where_nobody_watches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(tmp_path)]) == 2
    assert "is no run directory: it has no config.yaml" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    (tmp_path / "metrics.jsonl").write_text(json.dumps(step(1)) + '\n{"kind": "st')  # a line that is being written
    os.utime(tmp_path / "metrics.jsonl", (0, 0))
    assert main(["top", str(tmp_path)]) == 0
    assert "step 1/8" in capsys.readouterr().out
    assert main(["top", str(tmp_path), "--every", "0"]) == 2
