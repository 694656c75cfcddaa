"""`rayrl study CONFIG`: every arm with every seed, each an ordinary run, on Ray Tune."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import RayrlError
from rayrl.files import write_whole
from rayrl.folders import require_writable
from rayrl.study.arms import with_place
from rayrl.study.directory import open_study, require_study, study_folder
from rayrl.study.ledger import Ledger, Trial
from rayrl.study.plan import ArmPlan, plan_study, plan_table
from rayrl.study.settings import StudyConfig, TrialsSettings

INTERRUPTED = 130


def run_study(config: StudyConfig, dry_run: bool = False) -> int:
    """Runs what is not yet finished and returns the exit code: 0, or 130 after Ctrl-C (the study can be resumed).

    Trials that fail are reported and do not end it.

    Raises:
        RayrlError: Bad input (before anything starts), or no trial finished.
    """
    require_writable(study_folder(config.study), "study.dir")
    console = Console(highlight=False, soft_wrap=True)
    require_study(config.study, "study")
    plans = plan_study(config)
    console.print(plan_table(plans))
    if dry_run:
        return 0
    folder = open_study(config.study, "study")
    ledger, configs = trials_of(plans, folder)
    if config.study.resume:
        ledger.adopt(configs)
    ledger.save()
    write_whole(folder / "study.yaml", dump_config(config))
    try:
        run_ledger(ledger, configs, config.study, max(plan.bytes for plan in plans))
    except KeyboardInterrupt:
        console.print(f"interrupted; go on with:\n  rayrl study {folder / 'study.yaml'} --study.resume true")
        return INTERRUPTED
    base = next((plan.arm.name for plan in plans if plan.arm.method == "base"), None)
    return close(ledger, base, console)


def trials_of(plans: list[ArmPlan], folder: Path) -> tuple[Ledger, dict[str, TrainingConfig]]:
    """Every trial as pending, and its config."""
    trials, configs = [], {}
    for plan in plans:
        for seed in plan.seeds:
            name = f"{plan.arm.name}-seed{seed}"
            trials.append(Trial(name, plan.arm.name, seed, f"trials/{name}", plan.arm.overrides))
            configs[name] = with_place(plan.config, folder / "trials", name, seed, plan.steps)
    return Ledger(folder, trials), configs


def run_ledger(ledger: Ledger, configs: Mapping[str, TrainingConfig], settings: TrialsSettings, run_bytes: int) -> None:
    """Runs the ledger's open trials."""
    names = [trial.trial for trial in ledger.open]
    if not names:
        return
    from rayrl.study.runner import following, run_listed

    with following(ledger, settings, configs.values(), run_bytes) as (follower, at_once):
        limits = {"max_concurrent_trials": min(at_once, len(names)), "reuse_actors": True}
        run_listed(ledger, configs, names, limits, settings, follower, ledger.folder / "tune")


def close(ledger: Ledger, base: str | None, console: Console) -> int:
    """Prints what came out. Raises RayrlError where no trial finished."""
    from rayrl.report.study_page import write_study_report
    from rayrl.study.results import results_table

    for trial in ledger.trials.values():
        if trial.state != "finished":
            console.print(f"{trial.trial}: {trial.state}{f': {trial.error}' if trial.error else ''}", markup=False)
    console.print(results_table(ledger, base))
    if not any(trial.state == "finished" for trial in ledger.trials.values()):
        raise RayrlError(f"none of the {len(ledger.trials)} trials finished; {ledger.folder / 'trials.json'} says why")
    console.print(f"report: {write_study_report(ledger.folder)}", markup=False)
    return 0
