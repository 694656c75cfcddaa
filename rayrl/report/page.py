"""Write a run's report: one HTML file that needs no network and runs no script but its own."""

import json
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rayrl.report import charts, headline, samples
from rayrl.report.paired import paired_change
from rayrl.report.run import ENDS, Run, Samples, read_run
from rayrl.report.text import duration, percent, printable

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run_dir: Path) -> Path:
    """Write `run_dir`/report.html from config.yaml, metrics.jsonl and rollouts/; what is missing gets a sentence.

    Returns the file's path. Raises DataError where `run_dir` is no folder or holds a broken record, OSError where it
    cannot be written.
    """
    page = render(read_run(run_dir))
    target, draft = run_dir / "report.html", run_dir / f".report.{os.getpid()}.tmp"
    draft.write_text(page, encoding="utf-8", errors="backslashreplace")
    draft.replace(target)
    return target


def render(run: Run) -> str:
    """The whole page. All text is escaped by the template; the page's policy allows only scripts with its nonce."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration, "printable": printable}
    before, after = samples.outcomes(run.first_eval), samples.outcomes(run.last_eval)
    main, health = charts.main_charts(run), charts.health_charts(run)
    pairs, pair_counts = samples.pairs(run)
    return environment.get_template("report.html.j2").render(
        run=run,
        facts=_facts(run),
        status_css=run.status if run.status in ENDS else "unfinished",
        events=[event for event in run.events if event.get("event") != "finished"],
        headlines=headline.headlines(run, paired_change(before, after)),
        main_charts=main,
        health_charts=health,
        time_shares=charts.time_shares(run.steps),
        pairs=pairs,
        pair_counts=pair_counts,
        verdict_rows=_verdict_rows(run.first_eval, run.last_eval),
        groups=samples.groups(run.last_step),
        config_text=printable(run.config_text, 100_000, 0),
        chart_data=script_json(_drawn(main + health)),
        plotly_js=Markup(get_plotlyjs()),
        nonce=secrets.token_urlsafe(16),
    )


def script_json(value: Any) -> Markup:
    """JSON that cannot end the <script> it stands in."""
    text = json.dumps(value, allow_nan=False)
    return Markup(re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", text))


def _drawn(all_charts: Iterable[charts.Chart]) -> list[dict[str, Any]]:
    return [{"id": chart.id, **chart.figure} for chart in all_charts if chart.figure]


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
    before = charts.verdict_counts(first.rows)
    after = charts.verdict_counts(last.rows) if last else {}
    statuses = list(before) + [status for status in after if status not in before]
    return [
        (status, before.get(status, 0), after.get(status, 0) if last else None)
        for status in statuses
        if before.get(status) or after.get(status)
    ]
