"""The row of figures on top of a report: what changed, by how much, how surely, at what cost."""

from dataclasses import dataclass
from statistics import median

from rayrl.report.paired import PairedChange
from rayrl.report.results import series, value
from rayrl.report.run_charts import held_out
from rayrl.report.run_directory import Row, Run
from rayrl.report.text import duration, number, p_value, percent, signed_points


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure: a label, the value in large type, and lines of small type below. Value "–": nothing to say."""

    label: str
    value: str
    details: tuple[str, ...]


def headlines(run: Run, paired: PairedChange | None) -> list[Headline]:
    return [accuracy(run.evals), same_problems(paired), *learning(run), total_time(run)]


def learning(run: Run) -> list[Headline]:
    return [loss(run.steps)] if run.supervised else [reward(run.steps), throughput(run.steps)]


def accuracy(evals: list[Row]) -> Headline:
    label = "Held-out accuracy"
    counted = [found for record in evals if (found := held_out(record))]
    if not counted:
        return Headline(label, "–", ("No held-out evaluation in this run.",))
    first, last = counted[0], counted[-1]
    cut = () if last.cut_off is None else (f"{percent(last.cut_off)} of the completions cut off.",)
    if first is last:
        only = f"Step {first.step} only: {first.correct:.6g} of {first.total}."
        return Headline(label, percent(first.share), (only, f"95 % {_range(first.low, first.high)}", *cut))
    overlap = "overlap" if first.low <= last.high and last.low <= first.high else "do not overlap"
    details = tuple(f"Step {one.step}: {one}, 95 % {_range(one.low, one.high)}" for one in (first, last))
    details += (f"The intervals {overlap}.",)
    unscored = int(value(evals[-1], "eval/unscored") or 0)
    if unscored:
        details += (f"{unscored} more could not be scored.",)
    return Headline(label, f"{100 * first.share:.1f} → {100 * last.share:.1f} %", details + cut)


def same_problems(paired: PairedChange | None) -> Headline:
    label = "Change, same problems"
    if paired is None:
        return Headline(label, "–", ("Needs two evaluations with their completions.",))
    change = paired.difference
    details: tuple[str, ...] = (
        f"{paired.gained} gained, {paired.lost} lost of {change.items}",
        f"95 % {signed_points(change.low)} to {signed_points(change.high)}, bootstrap",
        f"McNemar, exact: {p_value(paired.p_value)}",
    )
    if paired.unscored:
        details += (f"{paired.unscored} not scored in both, left out.",)
    return Headline(label, f"{signed_points(change.mean)} points", details)


def loss(steps: list[Row]) -> Headline:
    label = "Training loss"
    values = series(steps, "train/loss")
    if not values:
        return Headline(label, "–", ("No loss has been logged.",))
    tokens = sum(series(steps, "data/tokens"))
    seconds = sum(series(steps, "time/train_s"))
    details = ["Nats per learned token, first and last step", f"{tokens:,.0f} tokens, prompts included"]
    if seconds:
        details.append(f"{number(tokens / seconds)} tokens/s")
    return Headline(label, f"{values[0]:.3f} → {values[-1]:.3f}", tuple(details))


def reward(steps: list[Row]) -> Headline:
    label = "Training reward"
    logged = [record for record in steps if value(record, "reward/mean") is not None]
    if not logged:
        return Headline(label, "–", ("No reward has been logged.",))
    first, last = logged[0], logged[-1]
    if first is last:
        return Headline(label, f"{first['reward/mean']:.3f}", (_reward_of(first), "One step only."))
    shown = f"{first['reward/mean']:.3f} → {last['reward/mean']:.3f}"
    return Headline(label, shown, (_reward_of(first), _reward_of(last)))


def _reward_of(record: Row) -> str:
    low, high = value(record, "reward/ci_low"), value(record, "reward/ci_high")
    dash = "–" if low is not None and low >= 0 else " to "
    interval = f"95 % {low:.3f}{dash}{high:.3f}" if low is not None and high is not None else "no interval"
    return f"Step {record['step']}: {interval}"


def throughput(steps: list[Row]) -> Headline:
    label = "Generation speed"
    rates = series(steps, "generate/tokens_per_s")
    if not rates:
        return Headline(label, "–", ("No generation speed has been logged.",))
    details = ["Median over steps", f"Range {number(min(rates))} to {number(max(rates))}"]
    tokens = series(steps, "generate/completion_tokens")
    if tokens:
        details.append(f"{sum(tokens):,.0f} tokens in all")
    return Headline(label, f"{number(median(rates))} tokens/s", tuple(details))


def total_time(run: Run) -> Headline:
    label = "Total time"
    if run.elapsed_s is None:
        return Headline(label, "–", ("No time has been logged.",))
    planned, done = run.setting("steps"), run.steps[-1]["step"] if run.steps else 0
    details = [f"{done} of {planned} steps" if isinstance(planned, int) else f"{done} steps"]
    step_times = series(run.steps, "time/step_s")
    if step_times:
        details.append(f"{duration(median(step_times))} a step (median)")
    peak, estimate = (series(run.steps, f"memory/{name}_gb") for name in ("peak", "estimate"))
    if peak and estimate:
        details.append(f"Learner memory {max(peak):.1f} GB a rank, {estimate[-1]:.1f} GB estimated")
    return Headline(label, duration(run.elapsed_s), tuple(details))


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f} %"
