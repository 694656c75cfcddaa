"""Read a study directory: its trials as runs, grouped into arms. What is missing is said, never an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from rayrl.errors import DataError
from rayrl.report import figures
from rayrl.report.results import HELD_OUT, Scores, benchmark_scores, by_step, correct
from rayrl.report.run import Run, Samples, read_run

BASE = "base"
COLOURS = (
    *(figures.BLUE, figures.RED, figures.GREEN, figures.ORANGE, figures.PURPLE, figures.SKY),
    *("#7f4f24", "#5b3fa0", "#000000", "#999933", "#882255", "#44aa99"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial. `run` None: its folder is not there or cannot be read; `note` says so."""

    name: str
    arm: str
    seed: Any
    state: str
    directory: str
    seconds: float | None
    note: str
    run: Run | None

    @property
    def finished(self) -> bool:
        return self.state == "finished" and self.run is not None

    @property
    def last_step(self) -> int:
        """0 for the base, which trains nothing."""
        return int(self.run.steps[-1]["step"]) if self.run and self.run.steps else 0

    def scores(self) -> dict[str, Scores]:
        """{benchmark: scores} after the last step; `held_out` from rollouts/ where benchmarks.jsonl has it not.

        What was measured earlier only is left out: it says nothing of the trained model.
        """
        if self.run is None:
            return {}
        found = benchmark_scores(by_step(self.run.benchmarks).get(self.last_step, ()))
        samples = self.last_samples
        if samples and HELD_OUT not in found:
            found = {HELD_OUT: {str(row.get("prompt_id")): correct(row) for row in samples.rows}} | found
        return found

    @property
    def last_samples(self) -> Samples | None:
        """Held-out completions after the last step."""
        samples = (self.run.last_eval or self.run.first_eval) if self.run else None
        return samples if samples and samples.rows and samples.step == self.last_step else None

    @property
    def remarks(self) -> str:
        """What the table of trials says of it."""
        unmeasured = "no benchmark was measured after its last step" if self.finished and not self.scores() else ""
        return "; ".join(filter(None, (self.note, unmeasured)))


@dataclass(frozen=True, slots=True)
class Arm:
    """All trials of one arm, and how charts draw it."""

    name: str
    trials: list[Trial]
    colour: str

    @property
    def finished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.finished]

    @property
    def runs(self) -> list[Run]:
        """Of the finished trials, in their order."""
        return [trial.run for trial in self.trials if trial.finished and trial.run]

    @property
    def _example(self) -> Run | None:
        return next((trial.run for trial in self.trials if trial.run and trial.run.config), None)

    def setting(self, path: str) -> Any:
        """A resolved setting of the arm's first readable trial."""
        return self._example.setting(path) if self._example else None

    @property
    def plan(self) -> Mapping[str, Any]:
        return self._example.plan if self._example else {}

    @property
    def method(self) -> str:
        """base, GRPO, SFT; or empty where no trial left its settings."""
        if self.name == BASE:
            return BASE
        if self._example is None:
            return ""
        return "SFT" if "examples_per_step" in self._example.config else "GRPO"

    @property
    def freeze(self) -> tuple[str, str]:
        """(preset, rules in words); two arms that freeze the same have the same."""
        preset = str(self.setting("freeze.preset") or "none")
        rules = self.setting("freeze.rules") or []
        return preset, "; ".join(_rule(rule) for rule in rules if isinstance(rule, dict))

    @property
    def symbol(self) -> str:
        return {"SFT": "square", BASE: "diamond"}.get(self.method, "circle")

    @property
    def dash(self) -> str:
        """Solid where everything trains."""
        return "solid" if self.freeze == ("none", "") else "dash"


def _rule(rule: Mapping[str, Any]) -> str:
    where = f" of layers {rule['layers']}" if rule.get("layers") else ""
    return f"{'train' if rule.get('train') else 'freeze'} {rule.get('match', '*')}{where}"


@dataclass(frozen=True, slots=True)
class Study:
    """A study directory. Arms in order of first trial, the base first."""

    name: str
    config: dict[str, Any]
    config_text: str
    trials: list[Trial]
    arms: list[Arm]

    @property
    def base(self) -> Arm | None:
        return next((arm for arm in self.arms if arm.name == BASE), None)

    @property
    def trained(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.name != BASE]

    @property
    def in_domain(self) -> list[str] | None:
        """Benchmarks that the study names so; None where it leaves that open."""
        named = self.config.get("in_domain")
        return [str(name) for name in named] if isinstance(named, list) else None

    @property
    def matched_by(self) -> str:
        """What all arms were given alike, in words."""
        budget = self.config.get("budget")
        if isinstance(budget, dict):
            return ", ".join(f"{name} {amount}" for name, amount in budget.items() if amount is not None)
        return str(budget) if budget else ""


def read_study(folder: Path) -> Study:
    """Raises DataError where there is no trials.json, or it is not a list of trials."""
    path = folder / "trials.json"
    if not path.is_file():
        raise DataError(f"{folder}: no study directory: it has no trials.json")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not JSON ({error}); `rayrl study` writes it again when it goes on") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "arm" in row for row in rows):
        raise DataError(f"{path}: a list of trials is wanted, each with the field arm")
    trials = [_trial(folder, row) for row in rows]
    settings = folder / "study.yaml"
    text = settings.read_text(encoding="utf-8", errors="replace") if settings.is_file() else ""
    config = yaml.safe_load(text)
    return Study(folder.resolve().name, config if isinstance(config, dict) else {}, text, trials, _arms(trials))


def _trial(folder: Path, row: Mapping[str, Any]) -> Trial:
    directory, error = str(row.get("directory") or ""), str(row.get("error") or "")
    seconds = row.get("seconds")
    trial = Trial(
        name=str(row.get("trial") or directory),
        arm=str(row["arm"]),
        seed=row.get("seed"),
        state=str(row.get("state") or "unknown"),
        directory=directory,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        note=error,
        run=None,
    )
    if not directory or not (folder / directory).is_dir():
        gone = "its folder is not there" if trial.state == "finished" else ""
        return replace(trial, note="; ".join(filter(None, (error, gone))))
    try:
        return replace(trial, run=read_run(folder / directory))
    except DataError as broken:
        return replace(trial, note="; ".join(filter(None, (error, str(broken)))))


def _arms(trials: list[Trial]) -> list[Arm]:
    names = sorted(dict.fromkeys(trial.arm for trial in trials), key=lambda name: name != BASE)
    colours = dict(zip((name for name in names if name != BASE), cycle(COLOURS), strict=False))
    return [
        Arm(name, [trial for trial in trials if trial.arm == name], colours.get(name, figures.GREY)) for name in names
    ]
