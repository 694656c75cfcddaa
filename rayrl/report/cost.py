"""What the arms of a study took: seconds by phase, and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rayrl.report import charts, figures
from rayrl.report.figures import AXIS, LOOK, Figure, value
from rayrl.report.outcome import LEFT
from rayrl.report.run import Run
from rayrl.report.trials import Arm, Study, Trial

GB = 1e9
PHASES = charts.PHASES | {"evaluate": figures.PURPLE, "other": figures.GREY}


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


def time_bars(study: Study) -> Figure | None:
    """Seconds of a trial by phase, a stacked bar for each arm. None where nothing was timed."""
    costs = {arm.name: cost(arm) for arm in study.arms}
    timed = {name: found for name, found in costs.items() if found.seconds}
    if not timed:
        return None
    unit, scale = ("hours", 3600) if max(c.seconds or 0 for c in timed.values()) > 7200 else ("minutes", 60)
    data = [
        _bar(phase, colour, list(timed), [found.phases.get(phase, 0.0) / scale for found in timed.values()])
        for phase, colour in PHASES.items()
        if any(found.phases.get(phase) for found in timed.values())
    ]
    return _bars(data, list(timed), f"time in the phases of a trial ({unit})")


def time_caption(study: Study) -> str:
    said = "Mean of the arm's finished trials. Other: what is left, as start, checkpoints, export, steps done twice."
    overlap = any(sum(found.phases.values()) > 1.01 * (found.seconds or 0.0) for found in map(cost, study.arms))
    return (
        f"{said} Phases overlap (generation runs ahead): those bars exceed the trial's time below." if overlap else said
    )


def memory_bars(study: Study) -> Figure | None:
    """Peak memory of a learner rank for each arm, as measured, else as estimated. None where neither is recorded."""
    costs = {arm.name: cost(arm) for arm in study.trained}
    kinds = {"learner_peak": "peak memory of a learner rank (GB)"}
    kinds["learner_estimate"] = "estimated memory of a learner rank (GB)"
    for field, title in kinds.items():
        found = {name: getattr(c, field) / GB for name, c in costs.items() if getattr(c, field) is not None}
        if found:
            bar = _bar("", figures.BLUE, list(found), list(found.values()))
            bar["marker"] = {"color": [arm.colour for arm in study.trained if arm.name in found]}
            return _bars([bar], list(found), title)
    return None


def _bar(name: str, colour: str, arms: list[str], values: list[float]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": values,
        "y": arms,
        "marker": {"color": colour},
        "hovertemplate": f"%{{y}}, {name}: %{{x:.3~g}}<extra></extra>" if name else "%{y}: %{x:.3~g}<extra></extra>",
    }


def _bars(data: list[dict[str, Any]], arms: list[str], title: str) -> Figure:
    x_axis = AXIS | {"title": {"text": title, "standoff": 8}, "nticks": 7, "rangemode": "tozero"}
    y_axis = AXIS | {"title": {"text": "arm", "standoff": 4}, "type": "category", "categoryarray": arms[::-1]}
    y_axis |= {"range": [-0.6, len(arms) - 0.4], "tickmode": "array", "tickvals": arms, "ticktext": arms}
    margin = LOOK["margin"] | {"l": round(24 + LEFT * max(map(len, arms)))}
    look = {"barmode": "stack", "bargap": 0.3, "hovermode": "closest", "margin": margin}
    return {"data": data, "layout": LOOK | look | {"xaxis": x_axis, "yaxis": y_axis}}


def _seconds(trial: Trial, run: Run) -> float | None:
    return trial.seconds if trial.seconds is not None else run.elapsed_s


def _phases(trial: Trial, run: Run) -> dict[str, float]:
    """Seconds of each phase; what the phases leave of the trial's time is "other" (none where they overlap)."""
    found = {phase: sum(value(r, f"time/{phase}_s") or 0.0 for r in run.steps) for phase in charts.PHASES}
    found["evaluate"] = sum(value(record, "time/evaluate_s") or 0.0 for record in run.evals)
    return found | {"other": max(0.0, (_seconds(trial, run) or 0.0) - sum(found.values()))}


def _tokens(run: Run) -> float:
    """Tokens that were learned from: of completions in GRPO, of examples in SFT (prompts included)."""
    name = "data/tokens" if run.supervised else "generate/completion_tokens"
    return sum(value(record, name) or 0.0 for record in run.steps)


def _learner_peak(run: Run) -> float | None:
    peaks = [GB * peak for record in run.steps if (peak := value(record, "memory/peak_gb")) is not None]
    return max(peaks, default=None)
