"""The page of an evaluation: a table of all, then every benchmark, models side by side, and how samples add up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rayrl.report.eval_table import table_lines
from rayrl.report.html import render_page, write_page
from rayrl.report.sample_curves import Results, sample_curves
from rayrl.report.text import printable
from rayrl.rollout_row import is_measure


def write_eval_report(
    folder: Path, models: Mapping[str, Results], pairs: Sequence[dict[str, Any]], notes: Sequence[str], config_text: str
) -> Path:
    """Writes `folder`/report.html; returns its path.

    Args:
        folder: Of the evaluation.
        models: Of each, what its results.json holds.
        pairs: What comparison.json holds.
        notes: What a reader should know of the figures.
        config_text: The settings.
    """
    benchmarks = list(dict.fromkeys(name for results in models.values() for name in results))
    page = render_page(
        "eval.html.j2",
        name=folder.name,
        models=models,
        benchmarks=benchmarks,
        table=table_lines(models, pairs),
        of_k={name: _common(name, models.values(), lambda metric: "@" in metric) for name in benchmarks},
        further={name: _common(name, models.values(), is_measure) for name in benchmarks},
        pairs=pairs,
        notes=notes,
        warned=any("warning" in one["truncated_frac"] for results in models.values() for one in results.values()),
        curves=sample_curves(models),
        config_text=printable(config_text, 100_000, 0),
    )
    return write_page(folder, page)


def _common(benchmark: str, models: Iterable[Results], wanted: Callable[[str], bool]) -> list[str]:
    """Names of the figures that are wanted and that every model has."""
    found = [results[benchmark] for results in models if benchmark in results]
    return [name for name in found[0] if wanted(name) and all(name in names for names in found)]
