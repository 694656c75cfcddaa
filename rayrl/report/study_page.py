"""The report of a study: all arms on one page, and every figure as CSV and PNG."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayrl.report import change_charts, cost, findings, side_by_side, weights
from rayrl.report.comparison import Benchmarks, Comparison, lookup
from rayrl.report.cost import Cost
from rayrl.report.export import write_figures, write_table
from rayrl.report.freeze_rows import freeze_row
from rayrl.report.html import render_page, write_page
from rayrl.report.inference import RESAMPLES
from rayrl.report.model_charts import Group, distance_charts, drift_heatmap
from rayrl.report.plot import Chart
from rayrl.report.study_directory import Study, read_study
from rayrl.report.text import printable


def write_study_report(folder: Path) -> Path:
    """Write `folder`/report.html and `folder`/figures/ from trials.json and the trials' own files.

    Returns the page's path. What is missing gets a sentence, a trial that failed a row. Raises DataError where
    `folder` is no study, OSError where it cannot be written.
    """
    study = read_study(folder)
    benchmarks = Benchmarks(study)
    to_base, between = benchmarks.to_base(), benchmarks.grpo_to_sft()
    charts = study_charts(study, benchmarks)
    costs = {arm.name: cost.cost(arm) for arm in study.arms}
    figures = folder / "figures"
    write_figures([chart for group in charts.values() for chart in group], figures)
    write_table(figures / "benchmarks.csv", _benchmark_rows(study, benchmarks))
    write_table(figures / "comparisons.csv", _comparison_rows([*to_base, *between]))
    write_table(figures / "cost.csv", _cost_rows(costs))
    problems, differing = side_by_side.problems(study)
    page = render_page(
        "study.html.j2",
        study=study,
        facts=_facts(study),
        headlines=findings.study_headlines(study, benchmarks),
        sentences=findings.sentences(study, benchmarks, to_base),
        benchmarks=benchmarks,
        to_base=to_base,
        differences=lookup(to_base),
        between=between,
        resamples=RESAMPLES,
        charts=charts,
        costs=costs,
        freezes=[freeze_row(arm) for arm in study.trained],
        drift_kinds=_drift_kinds(study),
        problems=problems,
        differing=differing,
        config_text=printable(study.config_text, 100_000, 0),
    )
    return write_page(folder, page)


def study_charts(study: Study, benchmarks: Benchmarks) -> dict[str, list[Chart]]:
    """{section: charts}"""
    groups = [Group(arm.series, arm.runs) for arm in study.trained]
    missing = "Needs the base and a finished arm with the same benchmarks."
    return {
        "changes": [
            Chart(
                "changes",
                "Change from the base",
                "Percentage points, paired over items; bars: 95 % bootstrap interval. Filled: significant after Holm's "
                "correction.",
                change_charts.forest(study, benchmarks),
                missing,
            )
        ],
        "tradeoff": [
            Chart(
                "gain-forgetting",
                "Gain against forgetting",
                "A mark for each trial: mean change over the in-domain benchmarks, and over all others; bars: 95 % "
                "intervals. Squares: SFT; hollow: not every weight trains.",
                change_charts.gain_and_forgetting(study, benchmarks),
                missing,
            ),
            Chart(
                "forgetting-distance",
                "Forgetting against distance",
                "A mark for each trial: how far its predictions are from the base's, and the mean change over all "
                "benchmarks that are not in-domain.",
                change_charts.forgetting_and_distance(study, benchmarks),
                "Needs the base, and a finished arm with its divergence.",
            ),
        ],
        "heatmap": [drift_heatmap(groups)],
        "distances": distance_charts(groups),
        "cost": [
            Chart(
                "time",
                "Time of a trial",
                cost.time_caption(study),
                cost.time_bars(study),
                "No trial's time was recorded.",
            ),
            Chart(
                "memory",
                "Memory of the learner",
                "One rank, with activations.",
                cost.memory_bars(study),
                "No trial's memory was recorded.",
            ),
        ],
    }


def _facts(study: Study) -> list[tuple[str, str]]:
    """(term, value) of the header; what no trial says is left out."""
    settings = {"Model": "model.path", "Trained on": "train_data.source", "Held out": "eval_data.source"}
    facts = []
    for term, path in settings.items():
        found = dict.fromkeys(str(arm.setting(path)) for arm in study.trained if arm.setting(path) is not None)
        facts.append((term, ", ".join(found)))
    facts.append(("Matched by", study.matched_by))
    facts.append(("Seeds", ", ".join(dict.fromkeys(str(trial.seed) for trial in study.trials))))
    return [(term, printable(fact, 160, 40)) for term, fact in facts if fact]


def _drift_kinds(study: Study) -> tuple[list[str], dict[str, dict[str, float]]]:
    """(kinds of matrix, {arm: {kind: mean over layers and finished trials}})"""
    found = {arm.name: weights.by_kind(weights.mean_drift(arm.runs)) for arm in study.trained}
    kinds = list(dict.fromkeys(kind for means in found.values() for kind in means))
    return kinds, {name: means for name, means in found.items() if means}


def _benchmark_rows(study: Study, benchmarks: Benchmarks) -> list[dict[str, Any]]:
    rows = []
    for arm in study.arms:
        for name in benchmarks.names:
            cell = benchmarks.cell(arm, name)
            if cell is not None:
                row = {"arm": arm.name, "benchmark": name, "role": benchmarks.role(name)} | asdict(cell.share)
                rows.append(row | {"unscored": cell.unscored, "cut_off": cell.cut_off} | _by_trial(cell.seeds))
    return rows


def _comparison_rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    rows = []
    for one in comparisons:
        row = {"arm": one.arm, "minus": one.other, "benchmark": one.benchmark} | asdict(one.difference)
        row |= {"p": one.p, "p_holm": one.adjusted, "significant": one.significant, "items_left_out": one.left_out}
        rows.append(row | _by_trial(one.seeds))
    return rows


def _by_trial(seeds: Sequence[float]) -> dict[str, float]:
    """A column for each finished trial, in the order of the arm's seeds."""
    return {f"trial_{number}": value for number, value in enumerate(seeds, 1)}


def _cost_rows(costs: dict[str, Cost]) -> list[dict[str, Any]]:
    rows = []
    for arm, found in costs.items():
        phases = {f"{phase} (s)": seconds for phase, seconds in found.phases.items()}
        row = {"arm": arm, "trial (s)": found.seconds} | phases
        row |= {"steps": found.steps, "tokens learned": found.tokens, "learner peak (bytes)": found.learner_peak}
        rows.append(row | {"learner estimate (bytes)": found.learner_estimate})
    return rows
