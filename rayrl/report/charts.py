"""Which charts a report has: each a figure, or the sentence that says why there is none."""

from collections import Counter
from dataclasses import dataclass

from rayrl.intervals import wilson_interval
from rayrl.report import figures
from rayrl.report.figures import Figure, value
from rayrl.report.run import Row, Run

PHASES = {"generate": figures.BLUE, "verify": figures.GREEN, "train": figures.ORANGE, "sync": figures.RED}
VERDICTS = {
    "correct": figures.GREEN,
    "incorrect": figures.ORANGE,
    "refusal": figures.SKY,
    "unparseable": figures.PURPLE,
    "timeout": figures.RED,
    "error": figures.INK,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """`figure` None: the page shows `absent` in its place."""

    id: str
    title: str
    caption: str
    figure: Figure | None
    absent: str

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(label, colour) of each named trace: the page writes it below the chart, where it can wrap."""
        traces = self.figure["data"] if self.figure else []
        return list(dict.fromkeys((t["name"], t["marker"]["color"]) for t in traces if t.get("name")))


@dataclass(frozen=True, slots=True)
class Share:
    """One phase's part of the time: seconds over all steps, share of the whole in 0..1."""

    label: str
    colour: str
    seconds: float
    share: float


def main_charts(run: Run) -> list[Chart]:
    """What the run was for, and where its time went."""
    no_steps = "No training step has been logged."
    reward = figures.banded(run.steps, "reward/mean", "reward/ci_low", "reward/ci_high", "mean reward")
    charts = [
        Chart(
            "accuracy",
            "Held-out accuracy",
            "Share of held-out problems answered correctly; bars: 95 % Wilson interval.",
            _accuracy(run.evals),
            "The run has no held-out evaluation.",
        ),
        Chart("loss", "Loss", "Cross-entropy of the learned tokens.", _loss(run), no_steps)
        if run.supervised
        else Chart("reward", "Reward", "Mean over the step's completions; band: 95 % interval.", reward, no_steps),
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


def health_charts(run: Run) -> list[Chart]:
    """Whether the training itself was sound. Staleness is shown only where there was some."""
    steps = run.steps
    zero = {"rangemode": "tozero"}
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
            figures.lines(steps, apart, "nats/token", y=zero),
            "sync/logprob_diff_mean was not logged.",
        )
    ]
    charts += [
        Chart(name, title, caption, figures.line(steps, metric, unit, y=zero), f"{metric} was not logged.")
        for name, title, metric, unit, caption in single
    ]
    if charts[-1].figure is None:
        total = figures.line(steps, "generate/completion_tokens", "tokens per step", y=zero)
        charts[-1] = Chart("length", "Completion tokens", "All completions of the step.", total, charts[-1].absent)
    shares = [
        ("truncated", "Truncated completions", "generate/truncated_frac", "Stopped by the length limit."),
        ("variance", "Groups without signal", "group/zero_variance_frac",
         "All completions of the prompt earned the same, so nothing is learnt from it."),
    ]  # fmt: skip
    for name, title, metric, caption in shares:
        unit = "groups (%)" if name == "variance" else "completions (%)"
        figure = figures.line(steps, metric, unit, factor=100, y=zero)
        charts.append(Chart(name, title, caption, figure, f"{metric} was not logged."))
    charts += _corrections(steps)
    if any((value(record, "policy/staleness_max") or 0) > 0 for record in steps):
        names = {"policy/staleness_mean": "mean", "policy/staleness_max": "largest"}
        figure = figures.lines(steps, names, "staleness (updates)", y=zero)
        caption = "Updates by which the sampling policy was behind the learner."
        charts.append(Chart("staleness", "Staleness", caption, figure, ""))
    return _that_apply(run, charts)


def _corrections(steps: list[Row]) -> list[Chart]:
    """What clips, caps and masks did, where any did something, and what the importance weights leave of the sample."""
    acted = {
        "policy/clip_frac": "clipped against the step's first policy",
        "policy/importance_capped_frac": "importance weight capped",
        "policy/importance_masked_frac": "masked",
    }
    acted = {name: label for name, label in acted.items() if any((value(record, name) or 0) > 0 for record in steps)}
    clips = figures.lines(steps, acted, "share of tokens", y={"rangemode": "tozero"})
    effective = figures.line(steps, "sync/effective_sample_frac", "effective tokens (%)", factor=100)
    charts = [
        Chart("clips", "Clips and masks", "Tokens whose gradient they bound or took away.", clips, ""),
        Chart("effective", "Effective sample", "Tokens of equal weight that the step's are worth.", effective, ""),
    ]
    return [chart for chart in charts if chart.figure]


def _that_apply(run: Run, charts: list[Chart]) -> list[Chart]:
    """All, but for what supervised training has no figures of."""
    return [chart for chart in charts if chart.figure or not run.supervised]


def _loss(run: Run) -> Figure | None:
    return figures.line(run.steps, "train/loss", "nats per token")


def time_shares(steps: list[Row]) -> list[Share]:
    """Each phase's seconds over all steps. Empty where nothing was timed."""
    seconds = {label: sum(values) for label, (_, values) in _phases(steps).items()}
    whole = sum(seconds.values())
    colours = {label: colour for label, (colour, _) in _phases(steps).items()}
    return [Share(label, colours[label], s, s / whole) for label, s in seconds.items()] if whole > 0 else []


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


def _accuracy(evals: list[Row]) -> Figure | None:
    counted = [(record["step"], *counts) for record in evals if (counts := eval_counts(record))]
    if not counted:
        return None
    intervals = [wilson_interval(correct, total) for _, correct, total in counted]
    steps, shares = [step for step, _, _ in counted], [correct / total for _, correct, total in counted]
    lows, highs = [low for low, _ in intervals], [high for _, high in intervals]
    return figures.points(steps, shares, lows, highs, "correct (% of problems)")


def eval_counts(record: Row) -> tuple[int, int] | None:
    """(correct, total) of an evaluation; None where it counted nothing."""
    correct, total = value(record, "eval/correct"), value(record, "eval/total")
    if correct is None or not total or not 0 <= correct <= total:
        return None
    return int(correct), int(total)


def _timed(record: Row) -> list[float]:
    return [value(record, f"time/{phase}_s") or 0.0 for phase in PHASES]


def _phases(steps: list[Row]) -> dict[str, tuple[str, list[float]]]:
    """{phase: (colour, seconds per step)}; "other" is what the step's wall time leaves, if that is anything."""
    timed = [_timed(record) for record in steps]
    parts = {phase: (colour, [t[i] for t in timed]) for i, (phase, colour) in enumerate(PHASES.items())}
    rest = [max(0.0, (value(r, "time/step_s") or 0.0) - sum(t)) for r, t in zip(steps, timed, strict=True)]
    whole = sum(map(sum, timed)) + sum(rest)
    return parts | {"other": (figures.GREY, rest)} if sum(rest) > 0.005 * whole else parts


def _time(steps: list[Row]) -> Figure | None:
    parts = _phases(steps)
    if not any(map(sum, (values for _, values in parts.values()))):
        return None
    return figures.stacked([record["step"] for record in steps], parts, "time (s per step)")


def _time_caption(steps: list[Row]) -> str:
    if phases_overlap(steps):
        return "Phases overlap (generation runs ahead), so bars are taller than the step's wall time."
    return "Wall time of each phase."


def _verdicts(steps: list[Row]) -> Figure | None:
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
    y_axis = {"range": [0, 100], "dtick": 25}
    return figures.stacked([record["step"] for record in records], parts, "share of completions (%)", y=y_axis)
