"""Read a study directory: its trials as runs, grouped into arms. What is missing is said, never an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from rayrl.config import HELD_OUT
from rayrl.errors import DataError
from rayrl.report.plot import BLUE, DASHED, GRAY, GREEN, ORANGE, PURPLE, RED, SKY, SOLID, Series
from rayrl.report.results import Scores, benchmark_scores, by_step
from rayrl.report.run_directory import Row, Run, Samples, read_run
from rayrl.report.samples import outcomes
from rayrl.study.settings import AMOUNTS

METHODS = {"base": "base", "grpo": "GRPO", "sft": "SFT"}
SETTINGS = ("study.yaml", "sweep.yaml")
COLORS = (
    *(BLUE, RED, GREEN, ORANGE, PURPLE, SKY),
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
        found = benchmark_scores(self.last_benchmarks)
        samples = self.last_samples
        if samples and HELD_OUT not in found:
            found = {HELD_OUT: outcomes(samples)} | found
        return found

    @property
    def last_benchmarks(self) -> list[Row]:
        """Rows of benchmarks.jsonl after the last step."""
        return by_step(self.run.benchmarks).get(self.last_step, []) if self.run else []

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
    """All trials of one arm, and how charts draw it. method: base, GRPO or SFT; empty where that is not known."""

    name: str
    method: str
    trials: list[Trial]
    color: str

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
    def freeze(self) -> tuple[str, str, str]:
        """(preset, rules in words, adapter in words); two arms that train the same have the same."""
        preset = str(self.setting("freeze.preset") or "none")
        rules = self.setting("freeze.rules") or []
        return preset, "; ".join(_rule(rule) for rule in rules if isinstance(rule, dict)), self._adapter

    @property
    def _adapter(self) -> str:
        """ "LoRA, rank 16, q_proj v_proj, nf4 base"; empty where the weights themselves train."""
        rank, quantize = self.setting("adapter.rank"), self.setting("adapter.quantize")
        targets = self.setting("adapter.targets") or "all-linear"
        named = targets if isinstance(targets, str) else " ".join(sorted(map(str, targets)))
        return f"LoRA, rank {rank}, {named}{f', {quantize} base' if quantize else ''}" if rank else ""

    @property
    def trains_all(self) -> bool:
        """Whether every weight trains."""
        return self.freeze == ("none", "", "")

    @property
    def series(self) -> Series:
        """Squares: SFT; dashed: not every weight trains."""
        symbol, dash = "square" if self.method == "SFT" else "circle", SOLID if self.trains_all else DASHED
        return Series(self.name, self.color, dash, symbol)


def _rule(rule: Mapping[str, Any]) -> str:
    where = f" of layers {rule['layers']}" if rule.get("layers") else ""
    return f"{'train' if rule.get('train') else 'freeze'} {rule.get('match', '*')}{where}"


@dataclass(frozen=True, slots=True)
class Study:
    """A study directory. Arms in order of first trial, the base first. settings: the file that config was read from."""

    name: str
    settings: str
    config: dict[str, Any]
    config_text: str
    trials: list[Trial]
    arms: list[Arm]

    @property
    def base(self) -> Arm | None:
        """The first arm that trains nothing."""
        return next((arm for arm in self.arms if arm.method == "base"), None)

    @property
    def trained(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.method != "base"]

    @property
    def in_domain(self) -> list[str] | None:
        """Benchmarks that the study names so; None where it leaves that open."""
        named = self._own.get("in_domain")
        return [str(name) for name in named] if isinstance(named, list) else None

    @property
    def matched_by(self) -> str:
        """What the arms were given alike: `60 updates`, and which have steps of their own. Empty: all do."""
        budget = self._own.get("budget")
        given = [(name, budget.get(name)) for name in AMOUNTS] if isinstance(budget, dict) else []
        alike = ", ".join(f"{amount:,} {name}" for name, amount in given if isinstance(amount, int | float))
        own = [arm.name for arm in self.trained if arm.name in self._with_steps]
        return f"{alike} ({', '.join(own)}: own steps)" if alike and own else alike

    @property
    def _with_steps(self) -> set[str]:
        arms = self.config.get("arms")
        return {name for name, own in arms.items() if "steps" in (own or {})} if isinstance(arms, dict) else set()

    @property
    def _own(self) -> Mapping[str, Any]:
        section = self.config.get(self.settings.partition(".")[0])
        return section if isinstance(section, dict) else {}


def read_study(folder: Path) -> Study:
    """Raises DataError where there is no trials.json, it is not a list of trials, or the settings are not YAML."""
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
    settings = next((name for name in SETTINGS if (folder / name).is_file()), SETTINGS[0])
    file = folder / settings
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not YAML ({error})") from error
    config = config if isinstance(config, dict) else {}
    return Study(folder.resolve().name, settings, config, text, trials, _arms(trials, config))


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


def _arms(trials: list[Trial], config: Mapping[str, Any]) -> list[Arm]:
    grouped: dict[str, list[Trial]] = {}
    for trial in trials:
        grouped.setdefault(trial.arm, []).append(trial)
    methods = {name: _method(name, config, own) for name, own in grouped.items()}
    names = sorted(grouped, key=lambda name: methods[name] != "base")
    colors = dict(zip((name for name in names if methods[name] != "base"), cycle(COLORS), strict=False))
    return [Arm(name, methods[name], grouped[name], colors.get(name, GRAY)) for name in names]


def _method(name: str, config: Mapping[str, Any], trials: list[Trial]) -> str:
    """As the study's settings say; else as the runs' own do."""
    arms = config.get("arms")
    said = arms.get(name) if isinstance(arms, dict) else None
    if isinstance(said, dict) and said.get("method") in METHODS:
        return METHODS[said["method"]]
    run = next((trial.run for trial in trials if trial.run and trial.run.config), None)
    if run is None:
        return ""
    if run.setting("steps") == 0:
        return "base"
    return "SFT" if "examples_per_step" in run.config else "GRPO"
