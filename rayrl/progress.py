"""How far a command is: bars on a terminal, nothing elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress_bars(console: Console, amount: ProgressColumn | None = None, transient: bool = False) -> Progress:
    """A context manager. `amount`: how what is done is written; None: as a count. `transient`: they go at the end."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), amount or MofNCompleteColumn())
    return Progress(
        *columns, TimeRemainingColumn(), console=console, transient=transient, disable=not console.is_terminal
    )
