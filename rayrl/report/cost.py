"""What the arms of a study took: seconds by phase, and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from rayrl.report import run_charts
from rayrl.report.plot import GRAY, PURPLE, Plot, Series, Spec, names, quantity, reading, stacked, told_apart
from rayrl.report.results import value
from rayrl.report.run_directory import Run
from rayrl.report.study_directory import Arm, Study, Trial
from rayrl.units import GB

BAR: Spec = {"height": {"band": 0.7}}
PHASES = run_charts.PHASES | {"evaluate": PURPLE, "other": GRAY}


@dataclass(frozen=True, slots=True)
class Cost:
    """Means over an arm's finished trials. None: not recorded. Memory in bytes, of one learner rank or generator."""

    seconds: float | None
    phases: Mapping[str, float]
    steps: float
    tokens: float
    learner_peak: float | None
    learner_estimate: float | None
    generator_estimate: float | None


def cost(arm: Arm) -> Cost:
    runs = [(trial, trial.run) for trial in arm.finished if trial.run]
    phases = [_phases(trial, run) for trial, run in runs]
    seconds = [s for trial, run in runs if (s := _seconds(trial, run)) is not None]
    peaks = [peak for _, run in runs if (peak := _learner_peak(run)) is not None]
    plan = dict(arm.plan) if runs else {}
    return Cost(
        seconds=fmean(seconds) if seconds else None,
        phases={name: fmean(part[name] for part in phases) for name in PHASES} if phases else {},
        steps=fmean(run.steps[-1]["step"] if run.steps else 0 for _, run in runs) if runs else 0.0,
        tokens=fmean(map(_tokens, (run for _, run in runs))) if runs else 0.0,
        learner_peak=fmean(peaks) if peaks else None,
        learner_estimate=value(plan, "learner_bytes"),
        generator_estimate=value(plan, "generator_bytes"),
    )


def time_bars(study: Study) -> Plot | None:
    """Seconds of a trial by phase, a stacked bar for each arm. None where nothing was timed."""
    costs = {arm.name: cost(arm) for arm in study.arms}
    timed = {name: found for name, found in costs.items() if found.seconds}
    if not timed:
        return None
    unit, scale = ("hours", 3600) if max(c.seconds or 0 for c in timed.values()) > 7200 else ("minutes", 60)
    x = quantity(f"time in the phases of a trial ({unit})", {"zero": True})
    rows = [
        {"series": phase, "arm": name, x["field"]: found.phases.get(phase, 0.0) / scale}
        for phase in PHASES
        if any(found.phases.get(phase) for found in timed.values())
        for name, found in timed.items()
    ]
    return stacked(rows, x, names("arm", timed), [Series(*phase) for phase in PHASES.items()], BAR, along="x")


def time_caption(study: Study) -> str:
    said = "Mean of the arm's finished trials. Other: what is left, as start, checkpoints, export, steps done twice."
    overlap = any(sum(found.phases.values()) > 1.01 * (found.seconds or 0.0) for found in map(cost, study.arms))
    return (
        f"{said} Phases overlap (generation runs ahead): those bars exceed the trial's time below." if overlap else said
    )


def memory_bars(study: Study) -> Plot | None:
    """Peak memory of a learner rank for each arm, as measured, else as estimated. None where neither is recorded."""
    costs = {arm.name: cost(arm) for arm in study.trained}
    kinds = {"learner_peak": "peak memory of a learner rank (GB)"}
    kinds["learner_estimate"] = "estimated memory of a learner rank (GB)"
    for field, title in kinds.items():
        found = {name: getattr(c, field) / GB for name, c in costs.items() if getattr(c, field) is not None}
        if found:
            rows = [{"arm": name, title: size} for name, size in found.items()]
            color = told_apart([arm.series for arm in study.trained], "color", field="arm", legend=False)
            encoding = {"x": quantity(title, {"zero": True}), "y": names("arm", found)} | color
            bar = {"type": "bar", "description": reading("arm", title)} | BAR
            return Plot(rows, {"mark": bar, "encoding": encoding})
    return None


def _seconds(trial: Trial, run: Run) -> float | None:
    return trial.seconds if trial.seconds is not None else run.elapsed_s


def _phases(trial: Trial, run: Run) -> dict[str, float]:
    """Seconds of each phase; what the phases leave of the trial's time is "other" (none where they overlap)."""
    found = {phase: sum(value(r, f"time/{phase}_s") or 0.0 for r in run.steps) for phase in run_charts.PHASES}
    found["evaluate"] = sum(value(record, "time/evaluate_s") or 0.0 for record in run.evals)
    return found | {"other": max(0.0, (_seconds(trial, run) or 0.0) - sum(found.values()))}


def _tokens(run: Run) -> float:
    """Tokens that were learned from: of completions in GRPO, of examples in SFT (prompts included)."""
    name = "data/tokens" if run.supervised else "generate/completion_tokens"
    return sum(value(record, name) or 0.0 for record in run.steps)


def _learner_peak(run: Run) -> float | None:
    peaks = [GB * peak for record in run.steps if (peak := value(record, "memory/peak_gb")) is not None]
    return max(peaks, default=None)
