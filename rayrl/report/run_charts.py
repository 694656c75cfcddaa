"""Which charts a run's report has: each a plot, or the sentence that says why there is none."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rayrl.intervals import wilson_interval
from rayrl.report.plot import (
    BLUE,
    DASHED,
    DOTTED,
    GRAY,
    GREEN,
    INK,
    NEAR,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SOLID,
    STEP,
    Chart,
    Plot,
    Series,
    percent_row,
    quantity,
    stacked,
    step_axis,
    trend,
)
from rayrl.report.results import value
from rayrl.report.run_directory import Row, Run

PHASES = {"generate": BLUE, "verify": GREEN, "train": ORANGE, "sync": RED}
VERDICTS = {
    "correct": GREEN,
    "incorrect": ORANGE,
    "refusal": SKY,
    "unparseable": PURPLE,
    "timeout": RED,
    "error": INK,
}
ZERO = {"zero": True}
NO_STEPS = "No training step has been logged."


@dataclass(frozen=True, slots=True)
class Share:
    """One phase's part of the time: seconds over all steps, share of the whole in 0..1."""

    label: str
    color: str
    seconds: float
    share: float


def main_charts(run: Run) -> list[Chart]:
    """What the run was for, and where its time went."""
    charts = [
        Chart(
            "accuracy",
            "Held-out accuracy",
            "Share of held-out problems answered correctly; bars: 95 % Wilson interval.",
            _accuracy(run.evals),
            "The run has no held-out evaluation.",
        ),
        _learning(run),
        Chart("time", "Time per step", _time_caption(run.steps), _time(run.steps), "No phase of a step was timed."),
        Chart(
            "verdicts",
            "Verdicts on training completions",
            "Share of the step's completions by what the verifier said.",
            _verdicts(run.steps),
            "No verdict has been logged.",
        ),
    ]
    return _that_apply(run, charts)


def _learning(run: Run) -> Chart:
    if run.supervised:
        loss = line(run.steps, "train/loss", "nats per token", NEAR)
        return Chart("loss", "Loss", "Cross-entropy of the learned tokens.", loss, NO_STEPS)
    caption = "Mean over the step's completions; band: 95 % interval."
    return Chart("reward", "Reward", caption, _reward(run.steps), NO_STEPS)


def health_charts(run: Run) -> list[Chart]:
    """Whether the training itself was sound. Staleness is shown only where there was some."""
    steps = run.steps
    single = [
        ("entropy", "Policy entropy", "policy/entropy_mean", "entropy (nats/token)",
         "Near 0 the policy has stopped exploring."),
        ("gradient", "Gradient norm", "train/grad_norm", "L2 norm, no unit",
         "Of all trained weights, before clipping."),
        ("length", "Completion length", "generate/mean_tokens", "tokens per completion", "Mean of the step."),
    ]  # fmt: skip
    apart = {"sync/logprob_diff_mean": "mean |Δ|", "sync/k3_kl_mean": "KL of generator to learner"}
    charts = [
        Chart(
            "mismatch",
            "Learner against generator",
            "Their logprobs of the same tokens; a jump tells of a broken weight sync.",
            lines(steps, apart, "nats/token"),
            "sync/logprob_diff_mean was not logged.",
        )
    ]
    charts += [
        Chart(name, title, caption, line(steps, metric, unit), f"{metric} was not logged.")
        for name, title, metric, unit, caption in single
    ]
    if charts[-1].plot is None:
        total = line(steps, "generate/completion_tokens", "tokens per step")
        charts[-1] = Chart("length", "Completion tokens", "All completions of the step.", total, charts[-1].absent)
    shares = [
        ("truncated", "Truncated completions", "generate/truncated_frac", "Stopped by the length limit."),
        ("variance", "Groups without signal", "group/zero_variance_frac",
         "All completions of the prompt earned the same, so nothing is learnt from it."),
    ]  # fmt: skip
    for name, title, metric, caption in shares:
        unit = "groups (%)" if name == "variance" else "completions (%)"
        plot = line(steps, metric, unit, factor=100)
        charts.append(Chart(name, title, caption, plot, f"{metric} was not logged."))
    charts += _corrections(steps)
    if any((value(record, "policy/staleness_max") or 0) > 0 for record in steps):
        names = {"policy/staleness_mean": "mean", "policy/staleness_max": "largest"}
        caption = "Updates by which the sampling policy was behind the learner."
        charts.append(Chart("staleness", "Staleness", caption, lines(steps, names, "staleness (updates)"), ""))
    return _that_apply(run, charts)


def _corrections(steps: list[Row]) -> list[Chart]:
    """What clips, caps and masks did, where any did something, and what the importance weights leave of the sample."""
    acted = {
        "policy/clip_frac": "clipped against the step's first policy",
        "policy/importance_capped_frac": "importance weight capped",
        "policy/importance_masked_frac": "masked",
    }
    acted = {name: label for name, label in acted.items() if any((value(record, name) or 0) > 0 for record in steps)}
    clips = lines(steps, acted, "share of tokens")
    effective = line(steps, "sync/effective_sample_frac", "effective tokens (%)", NEAR, factor=100)
    charts = [
        Chart("clips", "Clips and masks", "Tokens whose gradient they bound or took away.", clips, ""),
        Chart("effective", "Effective sample", "Tokens of equal weight that the step's are worth.", effective, ""),
    ]
    return [chart for chart in charts if chart.plot]


def _that_apply(run: Run, charts: list[Chart]) -> list[Chart]:
    """All, but for what supervised training has no numbers of."""
    return [chart for chart in charts if chart.plot or not run.supervised]


def line(
    records: Iterable[Row], name: str, title: str, scale: Mapping[str, Any] = ZERO, *, factor: float = 1.0
) -> Plot | None:
    """One quantity over steps, times `factor`. None where no record has it."""
    found = ((record["step"], value(record, name)) for record in records)
    rows = [{STEP: step, title: factor * number} for step, number in found if number is not None]
    return trend(rows, step_axis(rows), quantity(title, scale)) if rows else None


def lines(records: Iterable[Row], names: Mapping[str, str], title: str) -> Plot | None:
    """Several quantities {metric: label} of one unit over steps, from 0. None where no record has any."""
    found = [(label, r["step"], value(r, name)) for name, label in names.items() for r in records]
    rows = [{"series": label, STEP: step, title: number} for label, step, number in found if number is not None]
    looks = zip(names.values(), (BLUE, RED, GREEN), (SOLID, DASHED, DOTTED), strict=False)
    series = [Series(*look) for look in looks if any(row["series"] == look[0] for row in rows)]
    return trend(rows, step_axis(rows), quantity(title, ZERO), series) if rows else None


def _reward(steps: list[Row]) -> Plot | None:
    """With one step its interval is a bar: a band would have no width."""
    title = "mean reward"
    columns = {title: "reward/mean", f"{title} low": "reward/ci_low", f"{title} high": "reward/ci_high"}
    logged = [record for record in steps if value(record, "reward/mean") is not None]
    rows = [{STEP: r["step"]} | {column: value(r, name) for column, name in columns.items()} for r in logged]
    interval = "errorbar" if len(rows) == 1 else "band"
    return trend(rows, step_axis(rows), quantity(title), interval=interval) if rows else None


def time_shares(steps: list[Row]) -> list[Share]:
    """Each phase's seconds over all steps. Empty where nothing was timed."""
    seconds = {label: sum(values) for label, (_, values) in _phases(steps).items()}
    whole = sum(seconds.values())
    colors = {label: color for label, (color, _) in _phases(steps).items()}
    return [Share(label, colors[label], s, s / whole) for label, s in seconds.items()] if whole > 0 else []


def phases_overlap(steps: list[Row]) -> bool:
    """True where the phases of all steps add up to more than 1.05 times their wall time.

    Of all: a checkpoint or an evaluation between two strictly on-policy steps overlaps the next one's generation.
    """
    timed = [record for record in steps if value(record, "time/step_s")]
    return sum(map(sum, map(_timed, timed))) > 1.05 * sum(value(record, "time/step_s") or 0.0 for record in timed)


def verdict_counts(rows: list[Row]) -> dict[str, int]:
    """How many rows have each status, those of VERDICTS first and always."""
    found = Counter(str(row.get("status")) for row in rows)
    return {status: found.pop(status, 0) for status in VERDICTS} | dict(found)


def _accuracy(evals: list[Row]) -> Plot | None:
    title = "correct (% of problems)"
    counted = [found for record in evals if (found := held_out(record))]
    rows = [{STEP: one.step} | percent_row(title, one.share, one.low, one.high) for one in counted]
    if not rows:
        return None
    top = min(103.0, 1.15 * max(row[f"{title} high"] for row in rows) + 1)
    y = quantity(title, {"domain": [0, top], "nice": False})
    return trend(rows, step_axis(rows), y, interval="errorbar")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out accuracy after a step: correct of total items, and its 95 % interval. cut_off: share of completions."""

    step: int
    correct: float
    total: int
    low: float
    high: float
    cut_off: float | None

    @property
    def share(self) -> float:
        return self.correct / self.total

    def __str__(self) -> str:
        return f"{self.correct:.6g}/{self.total}"


def held_out(record: Row) -> HeldOut | None:
    """None where the evaluation counted nothing."""
    correct, total = value(record, "eval/correct"), value(record, "eval/total")
    if correct is None or not total or not 0 <= correct <= total:
        return None
    low, high = (value(record, f"eval/accuracy_ci_{end}") for end in ("low", "high"))
    if low is None or high is None:  # runs of before
        low, high = wilson_interval(correct, total)
    return HeldOut(record["step"], correct, int(total), low, high, value(record, "eval/truncated_frac"))


def _timed(record: Row) -> list[float]:
    return [value(record, f"time/{phase}_s") or 0.0 for phase in PHASES]


def _phases(steps: list[Row]) -> dict[str, tuple[str, list[float]]]:
    """{phase: (color, seconds per step)}; "other" is what the step's wall time leaves, if that is anything."""
    timed = [_timed(record) for record in steps]
    parts = {phase: (color, [t[i] for t in timed]) for i, (phase, color) in enumerate(PHASES.items())}
    rest = [max(0.0, (value(r, "time/step_s") or 0.0) - sum(t)) for r, t in zip(steps, timed, strict=True)]
    whole = sum(map(sum, timed)) + sum(rest)
    return parts | {"other": (GRAY, rest)} if sum(rest) > 0.005 * whole else parts


def _time(steps: list[Row]) -> Plot | None:
    parts = _phases(steps)
    timed = any(map(sum, (values for _, values in parts.values())))
    return _stacked(steps, parts, quantity("time (s per step)", ZERO)) if timed else None


def _stacked(records: list[Row], parts: Mapping[str, tuple[str, list[float]]], y: dict[str, Any]) -> Plot:
    """Bars over steps of {label: (color, a value for each record)}."""
    rows = [
        {"series": label, STEP: record["step"], y["field"]: number}
        for label, (_, values) in parts.items()
        for record, number in zip(records, values, strict=True)
    ]
    x = step_axis(rows)
    low, high = x["scale"]["domain"]
    width = {"expr": f"max(1, 0.75 * width / {high - low})"}
    return stacked(rows, x, y, [Series(label, color) for label, (color, _) in parts.items()], {"width": width})


def _time_caption(steps: list[Row]) -> str:
    if phases_overlap(steps):
        return "Phases overlap (generation runs ahead), so bars are taller than the step's wall time."
    return "Wall time of each phase."


def _verdicts(steps: list[Row]) -> Plot | None:
    """Shares in percent. Without its own metric, "incorrect" is what the other verdicts leave."""
    records = [record for record in steps if value(record, "verify/correct_frac") is not None]
    if not records:
        return None
    shares = {v: [100 * (value(r, f"verify/{v}_frac") or 0.0) for r in records] for v in VERDICTS}
    label = "incorrect"
    if all(value(record, "verify/incorrect_frac") is None for record in records):
        shares["incorrect"] = [max(0.0, 100 - sum(column)) for column in zip(*shares.values(), strict=True)]
        if all(value(record, "verify/refusal_frac") is None for record in records):
            label = "incorrect or refusal"
    parts = {label if v == "incorrect" else v: (VERDICTS[v], s) for v, s in shares.items() if any(s)}
    y = quantity("share of completions (%)", {"domain": [0, 100]}, values=[0, 25, 50, 75, 100])
    return _stacked(records, parts, y)
