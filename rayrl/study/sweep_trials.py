"""The trials of a sweep: what each chooses, its config, and whether it could run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError, RayrlError
from rayrl.study.arms import UNTRAINED, merge_settings, run_config, trial_config
from rayrl.study.ledger import Trial
from rayrl.study.settings import SweepConfig
from rayrl.study.space import Chosen, apply_choice, candidates
from rayrl.train.disk import require_disk
from rayrl.train.folder_kind import SWEEP
from rayrl.train.preflight import check_run

BASE = "base"
RATES = ("learning_rate", "schedule", "warmup_fraction", "betas", "weight_decay", "max_grad_norm")
ALIKE: Any = {"run": True, "learner": set(RATES)}
"""Settings that change neither what a trial needs nor whether it can run."""


class _Needs(NamedTuple):
    memory: int
    kept: int
    """Bytes that it leaves on disk."""
    steps: int


@dataclass(frozen=True, slots=True)
class SweepTrials:
    """Those whose choice is known beforehand: the base, and without Optuna all others."""

    config: SweepConfig
    chosen: dict[str, Chosen]
    configs: dict[str, TrainingConfig]
    longest: int
    """Most steps of a trial."""

    @classmethod
    def of(cls, config: SweepConfig) -> "SweepTrials":
        """Raises ConfigError for a trial whose settings are wrong, by its name."""
        listed = [] if config.sweep.search == "optuna" else candidates(config.sweep)
        chosen: dict[str, Chosen] = {BASE: {}} | {f"t{at:03d}": one for at, one in enumerate(listed, start=1)}
        configs = {name: sweep_config(config, name, own) for name, own in chosen.items()}
        plain = sweep_config(config, "t", {})  # what Optuna chooses is not among the configs
        return cls(config, chosen, configs, max(plain.steps, *(one.steps for one in configs.values())))

    def ledger_rows(self) -> list[Trial]:
        """Every trial as pending."""
        seed = self.configs[BASE].run.seed
        return [Trial(name, name, seed, f"trials/{name}", own) for name, own in self.chosen.items()]

    def check(self) -> int:
        """The memory of the largest. Each trial is checked as its run would be, and gets the steps of its epochs.

        Raises:
            RayrlError: A trial could not run, by its name; or objective and ASHA do not go with the trials.
        """
        settings = self.config.sweep
        names = self.configs[BASE].evaluated_names
        if unknown := [name for name in settings.objective if name not in names]:
            raise ConfigError(
                f"sweep.objective: {unknown[0]!r} is none of what is evaluated: {', '.join(names) or 'nothing'}"
            )
        candidates = self.configs | self._samples()
        longest = max(self.longest, *(one.steps for one in candidates.values()))
        if settings.asha and settings.asha.grace_steps > longest:
            raise ConfigError(
                f"sweep.asha.grace_steps: {settings.asha.grace_steps} is more than the {longest} steps of a trial; "
                "lower it, or set base.steps"
            )
        needs: dict[str, _Needs] = {}
        for name, one in candidates.items():
            key = one.model_dump_json(exclude=ALIKE)
            needs[key] = needs.get(key) or self._check_trial(name, one)
            if name in self.configs:
                self.configs[name] = one.model_copy(update={"steps": needs[key].steps})
        kept = max(one.kept for one in needs.values())
        require_disk(SWEEP.path(settings), kept * (settings.trials or len(self.configs) - 1))
        return max(one.memory for one in needs.values())

    def _check_trial(self, name: str, config: TrainingConfig) -> "_Needs":
        try:
            with check_run(trial_config(config, _folder(self.config), ".check", 0, config.steps)) as plan:
                return _Needs(plan.memory.total, plan.kept_bytes, plan.data.steps)
        except RayrlError as error:
            raise type(error)(f"sweep trial {name}: {error}") from error

    def _samples(self) -> dict[str, TrainingConfig]:
        """With Optuna, whose choices are not known: every value of every list, one at a time."""
        found = {}
        space = self.config.sweep.space if self.config.sweep.search == "optuna" else {}
        for name, values in space.items():
            for value in values if isinstance(values, list) else (values.low, values.high):
                value = int(value) if not isinstance(values, list) and values.integer else value
                found[f"{name}={value}"] = sweep_config(self.config, f"{name}={value}", {name: value})
        return found


def sweep_config(config: SweepConfig, name: str, chosen: Mapping[str, object]) -> TrainingConfig:
    """The config of one trial. Raises ConfigError, which names the trial and what it chose."""
    where = f"sweep trial {name} ({', '.join(f'{key}={value}' for key, value in chosen.items())})"
    tree = apply_choice(config.base, dict(chosen))
    if name == BASE:
        tree = merge_settings(tree, UNTRAINED, {"epochs": 0} if config.method == "sft" else {})
    made = run_config(config.method, tree, where)
    return trial_config(made, _folder(config), name, made.run.seed, made.steps)


def _folder(config: SweepConfig) -> Path:
    return SWEEP.path(config.sweep) / SWEEP.within
