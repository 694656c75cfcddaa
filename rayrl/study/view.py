"""What a person watches while trials run: one live table on a terminal, a line for each event elsewhere."""

from typing import Any

from rich.table import Table

from rayrl.study.ledger import Ledger, Trial
from rayrl.train.view import LiveView

EVERY = 5
"""Without a terminal, steps of one trial from one line to the next."""


class StudyView(LiveView):
    """Trials, their state, step and last numbers."""

    def __init__(self, ledger: Ledger, title: str) -> None:
        super().__init__(self._table, per_second=2)
        self.ledger, self.title = ledger, title
        self.last: dict[str, dict[str, Any]] = {}

    def progress(self, name: str, report: dict[str, Any]) -> None:
        """A start, step or evaluation of a trial."""
        self.last[name] = self.last.get(name, {}) | report
        if self.console.is_terminal:
            return
        if report["kind"] == "start":
            self.say(f"{name}: started")
        elif report["kind"] == "eval" or not report.get("step", 0) % EVERY:
            self.say(f"{name}: {describe(report)}")

    def settle(self, trial: Trial) -> None:
        """A trial that has ended."""
        took = "" if trial.seconds is None else f" after {trial.seconds:.0f} s"
        why = f": {trial.error}" if trial.error else ""
        if not self.console.is_terminal:
            self.say(f"{trial.trial}: {trial.state}{took}{why}")

    def _table(self) -> Table:
        table = Table(title=self.title, box=None, padding=(0, 2, 0, 0), title_justify="left")
        for column in ("trial", "state", "last"):
            table.add_column(column)
        for name, trial in self.ledger.trials.items():
            state = "running" if trial.state == "pending" and name in self.last else trial.state
            table.add_row(name, state, trial.error or describe(self.last.get(name, {})))
        return table


def describe(report: dict[str, Any]) -> str:
    """A trial's step and last numbers on one line."""
    parts = [f"step {report['step']}"] if "step" in report else []
    for label, key in (("reward", "reward/mean"), ("loss", "train/loss")):
        if key in report:
            parts.append(f"{label} {report[key]:.4f}")
    for key, value in report.items():
        if key.startswith("benchmark/") and key.endswith("/accuracy"):
            parts.append(f"{key.split('/')[1]} {100 * value:.1f} %")
    return "  ".join(parts)
