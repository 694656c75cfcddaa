"""The report of one run."""

from dataclasses import dataclass
from pathlib import Path

from rayrl.report import headlines, run_charts, samples
from rayrl.report.benchmark_table import BenchmarkChange, benchmark_changes
from rayrl.report.export import write_figures
from rayrl.report.html import render_page, write_page
from rayrl.report.model_charts import Group, distance_charts, drift_heatmap
from rayrl.report.paired import paired_change
from rayrl.report.plot import Chart, Series
from rayrl.report.run_directory import ENDS, Row, Run, Samples, read_run
from rayrl.report.sample_curves import Results, results_of, sample_curves
from rayrl.report.text import duration, printable


@dataclass(frozen=True, slots=True)
class RunPage:
    """What a run's page shows. `weights` (full width) and `distances` are empty where neither drift nor divergence was
    measured."""

    run: Run
    main: list[Chart]
    health: list[Chart]
    weights: list[Chart]
    distances: list[Chart]
    benchmarks: list[BenchmarkChange]
    curves: list[Chart]
    """pass@k and maj@k, of benchmarks whose items have several samples."""

    @property
    def charts(self) -> list[Chart]:
        return self.main + self.curves + self.weights + self.distances + self.health


def write_report(run_dir: Path, *, figures: bool = False) -> Path:
    """Write `run_dir`/report.html from the run's own files; what is missing gets a sentence.

    figures: every figure also as CSV and PNG, in `run_dir`/figures. Returns the file's path. Raises DataError where
    `run_dir` is no folder or holds a broken record, OSError where it cannot be written.
    """
    page = run_page(read_run(run_dir))
    if figures:
        write_figures(page.charts, run_dir / "figures")
    return write_page(run_dir, render(page))


def run_page(run: Run) -> RunPage:
    group = Group(Series(""), [run])
    return RunPage(
        run=run,
        main=run_charts.main_charts(run),
        health=run_charts.health_charts(run),
        weights=[drift_heatmap([group])] if run.drift else [],
        distances=[chart for chart in distance_charts([group]) if chart.plot],
        benchmarks=benchmark_changes(run.benchmarks),
        curves=sample_curves(_logged_figures(run.evals)),
    )


def _logged_figures(evals: list[Row]) -> dict[str, Results]:
    """The benchmarks' figures after the first and the last evaluation, by its name."""
    return {f"step {record['step']}": results_of(record) for record in (evals[:1] + evals[1:][-1:])}


def render(page: RunPage) -> str:
    """The whole page as HTML."""
    run = page.run
    before, after = samples.outcomes(run.first_eval), samples.outcomes(run.last_eval)
    pairs, pair_counts = samples.pairs(run)
    return render_page(
        "run.html.j2",
        page=page,
        run=run,
        facts=_facts(run),
        status_css=run.status if run.status in ENDS else "unfinished",
        events=[event for event in run.events if event.get("event") != "finished"],
        headlines=headlines.headlines(run, paired_change(before, after)),
        time_shares=run_charts.time_shares(run.steps),
        pairs=pairs,
        pair_counts=pair_counts,
        verdict_rows=_verdict_rows(run.first_eval, run.last_eval),
        groups=samples.groups(run.last_step),
        config_text=printable(run.config_text, 100_000, 0),
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    """(term, value) of the header; a setting that is not there is left out."""
    held_out = run.setting("eval_data.source")
    trained_on = run.setting("train_data.source")
    facts = [
        ("Model", run.setting("model.path")),
        ("Task", trained_on),
        ("Held out", held_out if held_out != trained_on else None),
        ("Objective", run.setting("objective.name")),
        ("Started", run.started),
        ("Wall time", None if run.elapsed_s is None else duration(run.elapsed_s)),
    ]
    return [(term, printable(fact, 160, 40)) for term, fact in facts if fact is not None]


def _verdict_rows(first: Samples | None, last: Samples | None) -> list[tuple[str, int, int | None]]:
    """(status, count before, count after) of the held-out completions, for every status that occurs."""
    if first is None:
        return []
    before = run_charts.verdict_counts(first.rows)
    after = run_charts.verdict_counts(last.rows) if last else {}
    statuses = list(before) + [status for status in after if status not in before]
    return [
        (status, before.get(status, 0), after.get(status, 0) if last else None)
        for status in statuses
        if before.get(status) or after.get(status)
    ]
