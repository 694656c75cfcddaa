"""`rayrl sweep CONFIG`: a search over settings of one run, each trial an ordinary run, on Ray Tune."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import INTERRUPTED, RayrlError
from rayrl.files import write_whole
from rayrl.study.ledger import Ledger, Trial, accuracies
from rayrl.study.objective import Scorer, objective_of
from rayrl.study.settings import AshaSettings, SweepConfig
from rayrl.study.space import Chosen
from rayrl.study.sweep_trials import BASE, SweepTrials, sweep_config
from rayrl.train.folder_kind import SWEEP

RESTART = {"resume": "resume with", "overwrite": "start again with"}


def run_sweep(config: SweepConfig, dry_run: bool = False) -> int:
    """Evaluates the base, runs the trials, prints them by objective and writes best.yaml; returns the exit code.

    Raises:
        RayrlError: Bad input (before anything starts), the base could not be evaluated, or no trial finished.
    """
    console = Console(highlight=False, soft_wrap=True)
    SWEEP.require(config.sweep)
    trials = SweepTrials.of(config)
    run_bytes = trials.check()
    console.print(_choices_table(trials.chosen))
    if dry_run:
        return 0
    folder = SWEEP.open(config.sweep)
    ledger = Ledger(folder, trials.ledger_rows())
    if config.sweep.resume:
        ledger.adopt(trials.configs)
    ledger.save()
    write_whole(folder / "sweep.yaml", dump_config(config))
    try:
        _search(trials, ledger, run_bytes)
    except KeyboardInterrupt:
        again = "overwrite" if config.sweep.search == "optuna" else "resume"  # its search cannot be resumed
        console.print(f"interrupted; {RESTART[again]}:\n  rayrl sweep {folder / 'sweep.yaml'} --sweep.{again} true")
        return INTERRUPTED
    return _close(config, ledger, console)


def _search(trials: SweepTrials, ledger: Ledger, run_bytes: int) -> None:
    """Runs the base, then the trials that are open or that Optuna suggests."""
    from rayrl.study.optuna_search import search, values_of
    from rayrl.study.runner import start_runner

    config, configs = trials.config, trials.configs
    settings, base = config.sweep, ledger.trials[BASE]

    def suggested(parameters: Mapping[str, Any], trial_id: str) -> tuple[Trial, TrainingConfig]:
        name, own = f"t-{trial_id}", values_of(settings, dict(parameters))
        made = sweep_config(config, name, own)
        return Trial(name, name, made.run.seed, f"trials/{name}", own), made

    with start_runner(ledger, settings, configs.values(), run_bytes) as runner:
        if base in ledger.open:
            runner.run_listed("base", [BASE], configs)
        if base.state != "finished":
            raise RayrlError(f"the base could not be evaluated: {base.error}")
        score = Scorer(settings.objective, accuracies(ledger.folder / base.directory))
        scheduler = _scheduler(settings.asha, trials.longest)
        if settings.search == "optuna":
            algorithm, space = search(settings)
            how = {"scheduler": scheduler, "search_alg": algorithm, "num_samples": settings.trials}
            runner.run("search", suggested, space, score, **how)
        elif names := [trial.trial for trial in ledger.open]:
            runner.run_listed("search", names, configs, score, scheduler=scheduler)


def _scheduler(asha: AshaSettings | None, longest: int) -> Any:
    """ASHA as the settings say, for trials of at most `longest` steps; None, Ray Tune's plain order, without."""
    from ray.tune.schedulers import ASHAScheduler

    return asha and ASHAScheduler(
        time_attr="step",
        metric=asha.metric,
        mode=asha.mode,
        max_t=longest + 1,
        grace_period=asha.grace_steps,
        reduction_factor=asha.reduction,
    )


def _close(config: SweepConfig, ledger: Ledger, console: Console) -> int:
    """Prints the trials, best first, and writes best.yaml."""
    found = {trial.trial: accuracies(ledger.folder / trial.directory) for trial in ledger.trials.values()}
    scores = {
        trial.trial: value
        for trial in ledger.trials.values()
        if trial.state == "finished"
        and trial.trial != BASE
        and (value := objective_of(config.sweep.objective, found[BASE], found[trial.trial])) is not None
    }
    ranked = sorted(scores, key=lambda name: -scores[name])
    rest = [name for name in ledger.trials if name not in ranked and name != BASE]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("trial", "state", *config.sweep.space, *found[BASE], "objective"):
        table.add_column(column)
    for name in (*ranked, BASE, *rest):
        trial = ledger.trials[name]
        cells = [str(trial.overrides.get(key, "-")) for key in config.sweep.space]
        cells += [f"{100 * found[name][key]:.1f} %" if key in found[name] else "-" for key in found[BASE]]
        table.add_row(name, trial.state, *cells, f"{scores[name]:+.2f}" if name in scores else "-")
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
    made = sweep_config(config, name, ledger.trials[name].overrides)
    run = made.run.model_copy(update={"name": f"{config.sweep.name}-best", "dir": config.sweep.dir})
    evaluation = made.evaluation.model_copy(update={"at_start": True})
    path = ledger.folder / "best.yaml"
    write_whole(path, dump_config(made.model_copy(update={"run": run, "evaluation": evaluation})))
    return path


def _choices_table(chosen: Mapping[str, Chosen]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("trial")
    table.add_column("settings")
    for name, own in chosen.items():
        table.add_row(name, ", ".join(f"{key}={value}" for key, value in own.items()) or "trains nothing")
    return table
