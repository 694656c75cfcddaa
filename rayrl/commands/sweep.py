"""`rayrl sweep CONFIG`: a search over settings of one run, each trial an ordinary run, on Ray Tune."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import ConfigError, RayrlError
from rayrl.files import write_whole
from rayrl.folders import require_writable
from rayrl.study.arms import UNTRAINED, merged, run_config, with_place
from rayrl.study.directory import open_study, require_study, study_folder
from rayrl.study.ledger import Ledger, Trial, accuracies
from rayrl.study.settings import SweepConfig
from rayrl.study.space import Chosen, candidates, placed
from rayrl.train.disk import require_disk
from rayrl.train.preflight import check

BASE = "base"
INTERRUPTED = 130
AGAIN = {"resume": "go on with", "overwrite": "start anew with"}


def run_sweep(config: SweepConfig, dry_run: bool = False) -> int:
    """Evaluates the base, runs the trials, prints them by objective and writes best.yaml; returns the exit code.

    Raises:
        RayrlError: Bad input (before anything starts), the base could not be evaluated, or no trial finished.
    """
    require_writable(study_folder(config.sweep), "sweep.dir")
    console = Console(highlight=False, soft_wrap=True)
    require_study(config.sweep, "sweep")
    chosen = _chosen(config)
    configs, run_bytes = _configs(config, chosen)
    console.print(_plan(chosen))
    if dry_run:
        return 0
    folder = open_study(config.sweep, "sweep")
    ledger = Ledger(folder, [Trial(name, name, _seed(config), f"trials/{name}", own) for name, own in chosen.items()])
    if config.sweep.resume:
        ledger.adopt(configs)
    ledger.save()
    write_whole(folder / "sweep.yaml", dump_config(config))
    try:
        _run(config, ledger, configs, run_bytes)
    except KeyboardInterrupt:
        again = "overwrite" if config.sweep.search == "optuna" else "resume"  # its search cannot be gone on with
        console.print(f"interrupted; {AGAIN[again]}:\n  rayrl sweep {folder / 'sweep.yaml'} --sweep.{again} true")
        return INTERRUPTED
    return _close(config, ledger, configs, console)


def _chosen(config: SweepConfig) -> dict[str, Chosen]:
    """The base, and every trial whose choice is known beforehand."""
    listed = [] if config.sweep.search == "optuna" else candidates(config.sweep)
    return {BASE: {}} | {f"t{number:03d}": one for number, one in enumerate(listed, start=1)}


def _config(config: SweepConfig, name: str, chosen: Chosen) -> TrainingConfig:
    where = f"sweep trial {name} ({', '.join(f'{key}={value}' for key, value in chosen.items())})"
    tree = placed(config.base, chosen)
    if name == BASE:
        tree = merged(tree, UNTRAINED, {"epochs": 0} if config.method == "sft" else {})
    made = run_config(config.method, tree, where)
    return with_place(made, study_folder(config.sweep) / "trials", name, made.run.seed, made.steps)


def _seed(config: SweepConfig) -> int:
    return _config(config, BASE, {}).run.seed


def _configs(config: SweepConfig, chosen: Mapping[str, Chosen]) -> tuple[dict[str, TrainingConfig], int]:
    """Config of each known trial and the memory of the largest. Each freeze is checked against the model itself.

    With Optuna, whose choices are not known: every value of every list, one at a time.
    """
    configs = {name: _config(config, name, own) for name, own in chosen.items()}
    others = {}
    if config.sweep.search == "optuna":
        for name, values in config.sweep.space.items():
            for value in values if isinstance(values, list) else (values.low, values.high):
                value = int(value) if not isinstance(values, list) and values.integer else value
                others[f"{name}={value}"] = _config(config, f"{name}={value}", {name: value})
    names = {one.name for one in configs[BASE].evaluation_sets}
    if unknown := [name for name in config.sweep.objective if name not in names]:
        raise ConfigError(
            f"sweep.objective: {unknown[0]!r} is none of what is evaluated: {', '.join(names) or 'nothing'}"
        )
    if config.sweep.asha and config.sweep.asha.grace_steps > (longest := _longest(config, configs | others)):
        raise ConfigError(
            f"sweep.asha.grace_steps: {config.sweep.asha.grace_steps} is more than the {longest} steps of a trial; "
            "lower it, or set base.steps"
        )
    seen: dict[str, int] = {}
    kept = 0
    for name, one in (configs | others).items():
        key = f"{one.freeze!r} {one.adapter!r} {one.model!r}"
        if key in seen:
            continue
        aside = with_place(one, study_folder(config.sweep) / "trials", ".check", 0, one.steps)
        try:
            with check(aside) as found:
                pass
        except RayrlError as error:
            raise type(error)(f"sweep trial {name}: {error}") from error
        seen[key] = found.memory.total
        kept = max(kept, found.kept_bytes)
    require_disk(study_folder(config.sweep), kept * (config.sweep.trials or len(configs) - 1))
    return configs, max(seen.values())


def _longest(config: SweepConfig, configs: Mapping[str, TrainingConfig]) -> int:
    """Most steps of a trial."""
    plain = _config(config, "t", {})  # what Optuna chooses is not among the configs
    return max(plain.steps, *(one.steps for one in configs.values()))


def _run(config: SweepConfig, ledger: Ledger, configs: Mapping[str, TrainingConfig], run_bytes: int) -> None:
    from rayrl.study.optuna_search import search, values_of
    from rayrl.study.runner import following, run_listed, run_trials

    settings, base, folder = config.sweep, ledger.trials[BASE], ledger.folder / "tune"

    def suggested(parameters: Mapping[str, Any], trial_id: str) -> tuple[Trial, TrainingConfig]:
        name, own = f"t-{trial_id}", values_of(settings, dict(parameters))
        made = _config(config, name, own)
        return Trial(name, name, made.run.seed, f"trials/{name}", own), made

    with following(ledger, settings, configs.values(), run_bytes) as (follower, at_once):
        if base in ledger.open:
            run_listed(ledger, configs, [BASE], {}, settings, follower, folder / "base")
        if base.state != "finished":
            raise RayrlError(f"the base could not be evaluated: {base.error}")
        score = Scorer(settings.objective, accuracies(ledger.folder / base.directory))
        limits = {"max_concurrent_trials": at_once, "scheduler": _scheduler(config, configs)}
        names = [trial.trial for trial in ledger.open]
        if settings.search == "optuna":
            algorithm, space = search(settings)
            limits |= {"search_alg": algorithm, "num_samples": settings.trials}
            run_trials(suggested, space, limits, settings, follower, folder / "search", score)
        elif names:
            run_listed(ledger, configs, names, limits, settings, follower, folder / "search", score)


def _scheduler(config: SweepConfig, configs: Mapping[str, TrainingConfig]) -> Any:
    """ASHA as the settings say; None, Ray Tune's plain order, without."""
    from ray.tune.schedulers import ASHAScheduler

    asha = config.sweep.asha
    return asha and ASHAScheduler(
        time_attr="step",
        metric=asha.metric,
        mode=asha.mode,
        max_t=_longest(config, configs) + 1,
        grace_period=asha.grace_steps,
        reduction_factor=asha.reduction,
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """The objective of what a step or an evaluation tells; nothing where it lacks a benchmark."""

    weights: Mapping[str, float]
    base: Mapping[str, float]

    def __call__(self, numbers: Mapping[str, Any]) -> dict[str, float]:
        now = {name: numbers.get(f"benchmark/{name}/accuracy") for name in self.weights}
        value = objective(self.weights, self.base, {name: one for name, one in now.items() if one is not None})
        return {} if value is None else {"objective": value}


def objective(weights: Mapping[str, float], base: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Weighted sum of changes from the base in percentage points; None where a benchmark has no accuracy."""
    if any(name not in base or name not in now for name in weights):
        return None
    return sum(weight * 100 * (now[name] - base[name]) for name, weight in weights.items())


def _close(config: SweepConfig, ledger: Ledger, configs: Mapping[str, TrainingConfig], console: Console) -> int:
    """Prints the trials, best first, and writes best.yaml."""
    found = {trial.trial: accuracies(ledger.folder / trial.directory) for trial in ledger.trials.values()}
    weights = config.sweep.objective
    scores = {
        trial.trial: objective(weights, found[BASE], found[trial.trial])
        for trial in ledger.trials.values()
        if trial.state == "finished" and trial.trial != BASE
    }
    ranked = sorted(
        (name for name, value in scores.items() if value is not None), key=lambda name: -(scores[name] or 0)
    )
    rest = [name for name in ledger.trials if name not in ranked and name != BASE]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("trial", "state", *config.sweep.space, *found[BASE], "objective"):
        table.add_column(column)
    for name in (*ranked, BASE, *rest):
        trial, value = ledger.trials[name], scores.get(name)
        cells = [str(trial.overrides.get(key, "-")) for key in config.sweep.space]
        cells += [f"{100 * found[name][key]:.1f} %" if key in found[name] else "-" for key in found[BASE]]
        table.add_row(name, trial.state, *cells, "-" if value is None else f"{value:+.2f}")
    console.print(table)
    for name in rest:
        if ledger.trials[name].error:
            console.print(f"{name}: {ledger.trials[name].error}", markup=False)
    if not ranked:
        raise RayrlError(f"no trial finished; {ledger.folder / 'trials.json'} says why")
    path = write_best(config, ledger, ranked[0])
    console.print(f"best: {ranked[0]}; rayrl {config.method} {path}", markup=False)
    return 0


def write_best(config: SweepConfig, ledger: Ledger, name: str) -> Path:
    """best.yaml: the config of a trial, as a run of its own that evaluates the base first."""
    made = _config(config, name, dict(ledger.trials[name].overrides))
    run = made.run.model_copy(update={"name": f"{config.sweep.name}-best", "dir": config.sweep.dir})
    evaluation = made.evaluation.model_copy(update={"at_start": True})
    path = ledger.folder / "best.yaml"
    write_whole(path, dump_config(made.model_copy(update={"run": run, "evaluation": evaluation})))
    return path


def _plan(chosen: Mapping[str, Chosen]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("trial")
    table.add_column("settings")
    for name, own in chosen.items():
        table.add_row(name, ", ".join(f"{key}={value}" for key, value in own.items()) or "trains nothing")
    return table
