"""How far a command has come: bars on a terminal, nothing elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress_bars(console: Console, done: type[ProgressColumn] = MofNCompleteColumn) -> Progress:
    """A bar for each task. `done`: the column that says how much of a task is done."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), done(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
