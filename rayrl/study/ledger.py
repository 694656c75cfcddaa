"""trials.json: every trial of a study and how it stands, written so that a kill leaves the old file or the new one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rayrl.config import TrainingConfig
from rayrl.files import write_whole
from rayrl.metrics import read_metrics
from rayrl.study.settings_match import require_settings_match

State = Literal["pending", "finished", "failed", "stopped"]


@dataclass(slots=True)
class Trial:
    """One trial. `directory` is relative to the study's."""

    trial: str
    arm: str
    seed: int
    directory: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    state: State = "pending"
    seconds: float | None = None
    error: str | None = None


class Ledger:
    """The trials of the study in `folder`."""

    def __init__(self, folder: Path, trials: list[Trial]) -> None:
        self.folder = folder
        self.trials = {trial.trial: trial for trial in trials}

    def adopt(self, configs: Mapping[str, TrainingConfig]) -> None:
        """Takes over how the trials of an interrupted study ended: by trials.json, and by a run whose end it missed.

        Raises:
            ConfigError: A trial ran with other settings than `configs` has for it.
            OSError, ValueError: trials.json is there and cannot be read.
        """
        path = self.folder / "trials.json"
        before = {row["trial"]: row for row in json.loads(path.read_text())} if path.exists() else {}
        for name, trial in self.trials.items():
            run = self.folder / trial.directory
            require_settings_match(run, configs[name])
            row, records = before.get(name, {}) if run.exists() else {}, _records(run)
            if row.get("state") in ("finished", "stopped"):
                trial.state, trial.error = row["state"], row["error"]
            elif _last_event(records) == "finished":
                trial.state = "finished"
            trial.seconds = _elapsed(records)

    @property
    def open(self) -> list[Trial]:
        """Those that are to be run, or run on."""
        return [trial for trial in self.trials.values() if trial.state in ("pending", "failed")]

    def settle(self, name: str, state: State, error: str | None = None) -> None:
        """Writes down how a trial stands."""
        trial = self.trials[name]
        trial.state, trial.error = state, error
        trial.seconds = _elapsed(_records(self.folder / trial.directory))
        self.save()

    def save(self) -> None:
        trials = [asdict(trial) for trial in self.trials.values()]
        write_whole(self.folder / "trials.json", json.dumps(trials, indent=1, default=str))


def _records(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return read_metrics(path) if path.exists() else []


def _last_event(records: list[dict[str, Any]]) -> str | None:
    """Of a run: finished, interrupted, failed, stopped, …; None where there is none."""
    return next((row["event"] for row in reversed(records) if row["kind"] == "event"), None)


def _elapsed(records: list[dict[str, Any]]) -> float | None:
    """Seconds that a run took, with what it took before it was resumed."""
    return max((row["elapsed_s"] for row in records if row.get("elapsed_s") is not None), default=None)


def accuracies(run: Path) -> dict[str, float]:
    """Benchmark -> accuracy at the run's last evaluation, over what could be scored."""
    found: dict[str, float] = {}
    for row in _records(run):
        if row["kind"] == "eval":
            found = {
                key.split("/")[1]: value
                for key, value in row.items()
                if key.startswith("benchmark/") and key.endswith("/accuracy") and value is not None
            }
    return found
