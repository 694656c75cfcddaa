"""What a study found, in sentences and in the row of figures on top of its page."""

from collections.abc import Sequence
from statistics import fmean

from rayrl.report.comparison import IN_DOMAIN, KNOWLEDGE, Benchmarks, Comparison
from rayrl.report.cost import cost
from rayrl.report.distance import last_kl, text_sets
from rayrl.report.headlines import Headline
from rayrl.report.inference import Difference
from rayrl.report.study_directory import Arm, Study
from rayrl.report.text import duration, number, signed_points
from rayrl.report.weights import mean_drift, mean_of_layers


def changed(change: Difference) -> str:
    """ "+4.1 points (95 % +1.0 to +7.2)" """
    interval = f"95 % {signed_points(change.low)} to {signed_points(change.high)}"
    return f"{signed_points(change.mean)} points ({interval})"


def sentences(study: Study, benchmarks: Benchmarks, to_base: Sequence[Comparison]) -> list[str]:
    """What was compared, what GRPO and SFT did where everything trains, and what is significant."""
    finished = [arm for arm in study.trained if arm.runs]
    if study.base is None or not study.base.runs or not finished:
        return []
    matched = f", matched by {study.matched_by}" if study.matched_by else ""
    said = [f"{len(finished)} arms were compared with the base{matched}."]
    said += filter(None, (_arm(arm, benchmarks) for arm in _plain(study)))
    said += filter(None, (_distance(study),))
    if to_base:
        found = [one for one in to_base if one.significant]
        shown = sorted(found, key=lambda one: -abs(one.difference.mean))[:4]
        named = ", ".join(f"{one.arm} on {one.benchmark} {signed_points(one.difference.mean)}" for one in shown)
        which = f": {named}{' and others' if len(found) > len(shown) else ''}" if found else ""
        said.append(f"Of {len(to_base)} differences to the base {len(found)} are significant{which}.")
    return said


def _plain(study: Study) -> list[Arm]:
    """The first arm of each method, those first that freeze nothing."""
    chosen = []
    for method in ("GRPO", "SFT"):
        arms = [arm for arm in study.trained if arm.method == method and arm.runs]
        chosen += sorted(arms, key=lambda arm: not arm.trains_all)[:1]
    return chosen


def _arm(arm: Arm, benchmarks: Benchmarks) -> str:
    gain, kept = benchmarks.change(arm, IN_DOMAIN), benchmarks.change(arm, KNOWLEDGE)
    parts = [f"in-domain accuracy by {changed(gain)}"] if gain else []
    parts += [f"knowledge by {changed(kept)}"] if kept else []
    return f"{arm.name} changed {' and '.join(parts)}." if parts else ""


def _distance(study: Study) -> str:
    """How far apart the first two arms of `_plain` are in weights and in predictions."""
    arms = _plain(study)
    if len(arms) < 2:
        return ""
    first, second = (mean_of_layers(mean_drift(arm.runs)) for arm in arms)
    said = []
    if first and second:
        said.append(f"moved the weights {number(second / first)} times as far ({second:.2g} against {first:.2g})")
    near, far = (_last_kl(arm) for arm in arms)
    if near is not None and far is not None:
        said.append(f"ended at {number(far)} against {number(near)} nats a token from the base")
    return f"Compared with {arms[0].name}, {arms[1].name} {' and '.join(said)}." if said else ""


def _last_kl(arm: Arm) -> float | None:
    """On the first set of texts, mean over runs."""
    runs = [(run, name) for run in arm.runs for name in text_sets([run])[:1]]
    values = [kl for run, name in runs if (kl := last_kl(run, name)) is not None]
    return fmean(values) if values else None


def study_headlines(study: Study, benchmarks: Benchmarks) -> list[Headline]:
    return [
        _trials(study),
        _extreme(study, benchmarks, IN_DOMAIN, "Most gained in-domain", 1),
        _extreme(study, benchmarks, KNOWLEDGE, "Most lost in knowledge", -1),
        _drift(study),
        _time(study),
    ]


def _trials(study: Study) -> Headline:
    states = [trial.state for trial in study.trials]
    details = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    seeds = len({str(trial.seed) for trial in study.trials})
    arms = f"{len(study.arms)} arms, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    finished = sum(trial.finished for trial in study.trials)
    return Headline("Trials finished", f"{finished} of {len(states)}", (arms, ", ".join(details)))


def _extreme(study: Study, benchmarks: Benchmarks, role: str, label: str, sign: int) -> Headline:
    changes = [(arm, change) for arm in study.trained if (change := benchmarks.change(arm, role))]
    if not changes:
        return Headline(label, "–", ("Needs the base and a finished arm.",))
    arm, change = max(changes, key=lambda pair: sign * pair[1].mean)
    interval = f"95 % {signed_points(change.low)} to {signed_points(change.high)}"
    names = ", ".join(benchmarks.of_role(role))
    if sign * change.mean <= 0:
        return Headline(label, "none", (f"least: {arm.name}", f"{signed_points(change.mean)}, {interval}", names))
    return Headline(label, f"{signed_points(change.mean)} points", (arm.name, interval, names))


def _drift(study: Study) -> Headline:
    label = "Weights moved"
    means = [(mean, arm) for arm in study.trained if (mean := mean_of_layers(mean_drift(arm.runs)))]
    if not means:
        return Headline(label, "–", ("No drift was measured.",))
    (least, near), (most, far) = min(means, key=lambda p: p[0]), max(means, key=lambda p: p[0])
    details = (f"least: {near.name}, {least:.2g}", f"most: {far.name}, {most:.2g}", "mean relative change of matrices")
    return Headline(label, f"1 : {number(most / least)}", details)


def _time(study: Study) -> Headline:
    label = "Time of all trials"
    seconds = [trial.seconds for trial in study.trials if trial.seconds]
    if not seconds:
        return Headline(label, "–", ("No time was recorded.",))
    costs = [(found, arm) for arm in study.trained if (found := cost(arm).seconds)]
    details = []
    if costs:
        (least, quick), (most, slow) = min(costs, key=lambda p: p[0]), max(costs, key=lambda p: p[0])
        details = [f"{duration(least)} to {duration(most)} a trial", f"{quick.name} to {slow.name}"]
        if least == most:
            details = [f"{duration(least)} a trial"]
    return Headline(label, duration(sum(seconds)), tuple(details))
