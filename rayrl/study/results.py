"""What came out of the trials, as a table."""

from statistics import fmean

from rich.table import Table

from rayrl.study.ledger import Ledger, accuracies


def means(ledger: Ledger) -> dict[str, dict[str, float]]:
    """Arm -> benchmark -> mean accuracy of its finished trials."""
    found: dict[str, dict[str, list[float]]] = {}
    for trial in ledger.trials.values():
        arm = found.setdefault(trial.arm, {})
        if trial.state == "finished":
            for name, value in accuracies(ledger.folder / trial.directory).items():
                arm.setdefault(name, []).append(value)
    return {arm: {name: fmean(values) for name, values in sets.items()} for arm, sets in found.items()}


def results_table(ledger: Ledger, base: str | None) -> Table:
    """A row for each arm: trials, and accuracy with its change from the arm `base` in points."""
    arms = means(ledger)
    names = list(dict.fromkeys(name for sets in arms.values() for name in sets))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("arm", "finished", *names):
        table.add_column(column, justify="left" if column == "arm" else "right")
    reference = arms.get(base or "", {})
    for arm, sets in arms.items():
        trials = [trial for trial in ledger.trials.values() if trial.arm == arm]
        done = f"{sum(trial.state == 'finished' for trial in trials)}/{len(trials)}"
        table.add_row(arm, done, *(_cell(sets.get(name), reference.get(name), arm == base) for name in names))
    return table


def _cell(value: float | None, base: float | None, is_base: bool) -> str:
    if value is None:
        return "-"
    change = "" if base is None or is_base else f" ({100 * (value - base):+.1f})"
    return f"{100 * value:.1f} %{change}"
