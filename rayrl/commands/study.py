"""`rayrl study CONFIG`: every arm with every seed, each an ordinary run, on Ray Tune."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import INTERRUPTED, RayrlError
from rayrl.files import write_whole
from rayrl.study.arm_estimate import ArmEstimate, estimate_arms, estimate_table
from rayrl.study.arms import trial_config
from rayrl.study.ledger import Ledger, Trial
from rayrl.study.settings import StudyConfig, TrialsSettings
from rayrl.train.folder_kind import STUDY


def run_study(config: StudyConfig, dry_run: bool = False) -> int:
    """Runs what is not yet finished and returns the exit code: 0, or 130 after Ctrl-C (the study can be resumed).

    Trials that fail are reported and do not end it.

    Raises:
        RayrlError: Bad input (before anything starts), or no trial finished.
    """
    console = Console(highlight=False, soft_wrap=True)
    STUDY.require(config.study)
    arms = estimate_arms(config)
    console.print(estimate_table(arms))
    if dry_run:
        return 0
    folder = STUDY.open(config.study)
    ledger, configs = trials_of(arms, folder)
    if config.study.resume:
        ledger.adopt(configs)
    ledger.save()
    write_whole(folder / "study.yaml", dump_config(config))
    try:
        run_ledger(ledger, configs, config.study, max(arm.bytes for arm in arms))
    except KeyboardInterrupt:
        console.print(f"interrupted; resume with:\n  rayrl study {folder / 'study.yaml'} --study.resume true")
        return INTERRUPTED
    base = next((one.arm.name for one in arms if one.arm.method == "base"), None)
    return close(ledger, base, console)


def trials_of(arms: list[ArmEstimate], folder: Path) -> tuple[Ledger, dict[str, TrainingConfig]]:
    """Every trial as pending, and its config."""
    trials, configs = [], {}
    for one in arms:
        for seed in one.seeds:
            name = f"{one.arm.name}-seed{seed}"
            trials.append(Trial(name, one.arm.name, seed, f"trials/{name}", one.arm.overrides))
            configs[name] = trial_config(one.config, folder / STUDY.within, name, seed, one.steps)
    return Ledger(folder, trials), configs


def run_ledger(ledger: Ledger, configs: Mapping[str, TrainingConfig], settings: TrialsSettings, run_bytes: int) -> None:
    """Runs the ledger's open trials."""
    names = [trial.trial for trial in ledger.open]
    if not names:
        return
    from rayrl.study.runner import start_runner

    with start_runner(ledger, settings, configs.values(), run_bytes) as runner:
        runner.run_listed("trials", names, configs, reuse_actors=True)


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
