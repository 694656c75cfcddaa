"""`rayrl top`: what a run is doing, read from its directory, by whoever can read that."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rayrl.errors import ConfigError
from rayrl.metrics import read_metrics
from rayrl.report.run_directory import ENDS, status
from rayrl.report.text import duration
from rayrl.train.view import evaluation_lines

LAST = 10  # steps that means are over
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60  # most steps of the curve
PHASES = {
    "wait": "the learner waits for data",
    "train": "updates",
    "sync": "new weights to the generators",
    "step": "the whole step",
    "generate": "first prompt sent to last token",
    "verify": "last token to last verdict",
}

Record = dict[str, Any]


def run_top(folder: Path, every_s: float) -> int:
    """Prints it; on a terminal again and again until the run ends.

    Raises:
        ConfigError: There is no run in the folder, or the seconds are not above 0.
    """
    if every_s <= 0:
        raise ConfigError(f"--every {every_s:g}: give seconds above 0")
    log = folder / "metrics.jsonl"
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{str(folder)!r} is no run directory: it has no config.yaml")
    settings = yaml.safe_load((folder / "config.yaml").read_text())

    def look() -> tuple[RenderableType, bool]:
        records = read_metrics(log) if log.is_file() else []
        quiet_s = time.time() - log.stat().st_mtime if log.is_file() else 0.0
        return screen(folder.name, settings, records, quiet_s), status(_of_kind(records, "event")) in ENDS

    console = Console(highlight=False, soft_wrap=True)
    drawn, ended = look()
    if ended or not console.is_terminal:
        console.print(drawn)
        return 0
    with Live(drawn, console=console, auto_refresh=False) as live:
        while not ended:
            time.sleep(every_s)
            drawn, ended = look()
            live.update(drawn, refresh=True)
    return 0


def screen(name: str, settings: Record, records: Sequence[Record], quiet_s: float) -> Group:
    """What is shown.

    Args:
        name: Of the run.
        settings: Its config.yaml.
        records: Its metrics.jsonl.
        quiet_s: Since the last of them was written.
    """
    steps, events, evaluations = (_of_kind(records, kind) for kind in ("step", "event", "eval"))
    parts: list[RenderableType] = [Text(_headline(name, settings, records, quiet_s), "bold")]
    if steps:
        parts += ["", _phases(steps[-LAST:]), "", *_progress(steps)]
    parts += [Text(line) for record in evaluations[-3:] for line in evaluation_lines(record).splitlines()]
    parts += [Text(f"{event['event']} at step {event['step']}: {event['detail']}", "dim") for event in events[-3:]]
    return Group(*parts)


def _of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    return [record for record in records if record["kind"] == kind]


def _headline(name: str, settings: Record, records: Sequence[Record], quiet_s: float) -> str:
    steps, ended = _of_kind(records, "step"), status(_of_kind(records, "event"))
    done, total = (steps[-1]["step"] if steps else 0), settings["steps"]
    elapsed = max((record.get("elapsed_s") or 0.0 for record in records), default=0.0)
    parts = [name, ended, f"step {done}/{total}", f"{duration(elapsed)} so far"]
    if ended not in ENDS:
        if steps and done < total:
            left = (total - done) * fmean(step["time/step_s"] for step in steps[-LAST:])
            parts.append(f"about {duration(left)} of steps left")
        parts.append(f"last record {duration(quiet_s)} ago")
    return "  ".join(parts)


def _phases(steps: Sequence[Record]) -> Table:
    """Seconds of each phase: of the last step, mean of the last ones, and as a share of their time."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("phase", "left"), ("s", "right"), (f"mean of {len(steps)}", "right"), ("share", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column()
    whole = sum(step["time/step_s"] for step in steps)
    for phase, meaning in PHASES.items():
        seconds = [step[f"time/{phase}_s"] for step in steps if f"time/{phase}_s" in step]
        if seconds:
            share = f"{100 * sum(seconds) / whole:.0f} %"
            table.add_row(phase, f"{seconds[-1]:.1f}", f"{fmean(seconds):.1f}", share, Text(meaning, "dim"))
    return table


def _progress(steps: Sequence[Record]) -> list[Text]:
    """The curve of reward or loss; how old the samples were; where groups went."""
    last = steps[-1]
    name = "reward/mean" if "reward/mean" in last else "train/loss"
    values = [step[name] for step in steps if step.get(name) is not None]
    lines = []
    if values:
        lines.append(
            f"{name}  {curve(values)}  {values[-1]:.4g}, mean of {len(values[-LAST:])}: {fmean(values[-LAST:]):.4g}"
        )
    if "policy/staleness_mean" in last:
        lines.append(f"staleness  mean {last['policy/staleness_mean']:.2f}, most {last['policy/staleness_max']:.0f}")
    groups = {key.removeprefix("groups/"): value for key, value in last.items() if key.startswith("groups/") and value}
    if groups:
        lines.append("groups  " + ", ".join(f"{value:.0f} {key.replace('_', ' ')}" for key, value in groups.items()))
    return [Text(line) for line in lines]


def curve(values: Sequence[float]) -> str:
    """Values as bars, at most `WIDTH`: each the mean of as many neighbours as it takes."""
    size = -(-len(values) // WIDTH)
    means = [fmean(values[start : start + size]) for start in range(0, len(values), size)]
    low, high = min(means), max(means)
    return "".join(BARS[int((value - low) / (high - low) * (len(BARS) - 1)) if high > low else 0] for value in means)
