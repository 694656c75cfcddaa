"""Read a run directory, whole or not: what is missing is empty, never an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from rayrl.errors import DataError
from rayrl.jsonl import read_jsonl
from rayrl.metrics import read_metrics
from rayrl.report.results import read_plan, read_rows

Row = dict[str, Any]
ENDS = ("finished", "interrupted", "stopped", "failed")


@dataclass(frozen=True, slots=True)
class Samples:
    """One rollouts/ file: the step after which the completions were sampled, and its rows."""

    step: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run directory holds. `steps` and `evals` are ordered by step, `events` by time."""

    name: str
    config: dict[str, Any]
    config_text: str
    steps: list[Row]
    evals: list[Row]
    events: list[Row]
    first_eval: Samples | None
    last_eval: Samples | None
    last_step: Samples | None
    started: str
    plan: Row
    benchmarks: list[Row]
    drift: list[Row]
    divergence: list[Row]

    def setting(self, path: str) -> Any:
        """A resolved setting by dotted name, None where there is none."""
        value: Any = self.config
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @property
    def status(self) -> str:
        return status(self.events)

    @property
    def supervised(self) -> bool:
        """Whether it learned from examples, so that there are no rewards nor rollouts to speak of."""
        return any("data/examples" in record for record in self.steps)

    @property
    def elapsed_s(self) -> float | None:
        """Wall time of the last record, in seconds since the run's start."""
        times = [record["elapsed_s"] for record in self.steps + self.evals + self.events if _is_timed(record)]
        return max(times, default=None)


def status(events: Sequence[Row]) -> str:
    """How a run with these events ended, one of `ENDS`; unfinished: it runs, or was killed before it could say so."""
    last = events[-1].get("event") if events else None
    return last if last in ENDS else "unfinished"


def _is_timed(record: Row) -> bool:
    return isinstance(record.get("elapsed_s"), int | float)


def read_run(run_dir: Path) -> Run:
    """Raises DataError where `run_dir` is no folder, or a record before the last or the plan is not JSON."""
    if not run_dir.is_dir():
        raise DataError(f"{run_dir}: no such run directory")
    config_file, metrics_file, rollouts = run_dir / "config.yaml", run_dir / "metrics.jsonl", run_dir / "rollouts"
    config_text = config_file.read_text(encoding="utf-8", errors="replace") if config_file.exists() else ""
    records = read_metrics(metrics_file) if metrics_file.exists() else []
    by_kind = {
        kind: [r for r in records if r.get("kind") == kind and isinstance(r.get("step"), int)]
        for kind in ("step", "eval", "event")
    }
    steps, evals = (sorted(by_kind[kind], key=lambda record: record["step"]) for kind in ("step", "eval"))
    eval_files = _files(rollouts, "eval", {record["step"] for record in evals})
    step_files = _files(rollouts, "step", {record["step"] for record in steps})
    return Run(
        name=run_dir.resolve().name,
        config=_parse(config_text),
        config_text=config_text,
        steps=steps,
        evals=evals,
        events=by_kind["event"],
        first_eval=_samples(eval_files[:1]),
        last_eval=_samples(eval_files[1:][-1:]),
        last_step=_samples(step_files[-1:]),
        started=_started(records, metrics_file if metrics_file.exists() else run_dir),
        plan=read_plan(run_dir / "plan.json"),
        benchmarks=read_rows(run_dir / "benchmarks.jsonl", ("step", "benchmark", "index")),
        drift=read_rows(run_dir / "drift.jsonl", ("step", "name")),
        divergence=read_rows(run_dir / "divergence.jsonl", ("step", "set")),
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return config if isinstance(config, dict) else {}


def _files(folder: Path, kind: str, logged: set[int]) -> list[tuple[int, Path]]:
    """(step, path) of rollouts/KIND_000000.jsonl in order. A file whose step was never logged is half-written: it is
    left out, unless no step was logged at all."""
    found = []
    for path in folder.glob(f"{kind}_*.jsonl"):
        match = re.fullmatch(rf"{kind}_(\d+)", path.stem)
        if match and (not logged or int(match[1]) in logged):
            found.append((int(match[1]), path))
    return sorted(found)


def _samples(files: list[tuple[int, Path]]) -> Samples | None:
    return Samples(files[0][0], list(read_jsonl(files[0][1]))) if files else None


def _started(records: list[Row], file: Path) -> str:
    """Day and minute of the first record, or of the file's last change, local time."""
    stamps = [record["time"] for record in records if isinstance(record.get("time"), str)]
    try:
        moment = datetime.fromisoformat(min(stamps)).astimezone()
    except ValueError:
        moment = datetime.fromtimestamp(file.stat().st_mtime).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M %Z").strip()
