"""`rayrl eval`: models on benchmarks, one after the other, without a learner. Nothing is evaluated twice."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table

from rayrl.commands.progress import progress_bars
from rayrl.config import EvalConfig, dump_config
from rayrl.errors import INTERRUPTED, ConfigError
from rayrl.evaluate.draws import Draw, record_of
from rayrl.evaluate.model import find_models
from rayrl.evaluate.plan import EvalPlan, check_models
from rayrl.evaluate.results import ModelResults, PairedResult, compare, model_results
from rayrl.evaluate.tables import comparison_table, results_table
from rayrl.files import write_whole
from rayrl.folders import require_writable
from rayrl.jsonl import Journal, read_jsonl
from rayrl.report.eval_page import write_eval_report
from rayrl.rollout_row import EvaluationRow
from rayrl.train.interrupt import terminated_as_interrupt

ITEMS, SETTINGS = "items.jsonl", "eval.yaml"


def run_eval(config: EvalConfig, models: Sequence[str]) -> int:
    """Evaluates the models and returns the exit code: 0, or 130 after Ctrl-C (the same command goes on).

    Raises:
        RayrlError: Bad input (before anything starts), or what made generators or verifiers fail; samples that were
            complete are kept.
    """
    folder = _require_folder(config)
    plans = check_models(config, find_models(models))
    if config.run.overwrite and (folder / ITEMS).exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = config.model_copy(update={"run": config.run.model_copy(update={"overwrite": False})})
    write_whole(folder / SETTINGS, dump_config(kept))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    journal = Journal(folder / ITEMS)
    try:
        with terminated_as_interrupt():
            events = _sample_missing(plans, journal, console)
        _finish(folder, plans, journal, dump_config(kept), events)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where this one ended")
        return INTERRUPTED
    finally:
        journal.close()
    return 0


def print_request(config: EvalConfig, models: Sequence[str]) -> int:
    """`--dry-run`: the settings, and what would be sampled of which model. Writes nothing. Raises as `run_eval`."""
    folder = _require_folder(config)
    plans = check_models(config, find_models(models))
    items = folder / ITEMS
    there = {record["key"] for record in read_jsonl(items)} if items.exists() and not config.run.overwrite else set()
    console = Console(highlight=False, soft_wrap=True)
    console.print(dump_config(config), markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("model", "benchmark", "items", "samples", "there"):
        table.add_column(column)
    for plan in plans:
        for one in config.evaluation_sets:
            own = [draw for draw in plan.draws if draw.benchmark == one.name]
            done = sum(draw.key in there for draw in own)
            table.add_row(plan.target.label, one.name, str(len(own) // one.samples), str(len(own)), str(done))
    console.print(table)
    console.print("\n".join(_notes(plans)), markup=False)
    console.print(f"output  {folder}", markup=False)
    return 0


def _require_folder(config: EvalConfig) -> Path:
    folder = (config.run.dir / config.run.name).resolve()
    require_writable(folder, "run.dir")
    if (folder / "config.yaml").exists() or (folder / "trials.json").exists():
        raise ConfigError(f"run.name: {str(folder)!r} is the folder of a run or a study; choose another name")
    return folder


def _sample_missing(plans: Sequence[EvalPlan], journal: Journal, console: Console) -> list[str]:
    """Appends what is not in the journal yet, model by model; returns what happened meanwhile, in words."""
    missing = [(plan, [draw for draw in plan.draws if draw.key not in journal]) for plan in plans]
    total, left = sum(len(plan.draws) for plan in plans), sum(len(draws) for _, draws in missing)
    if left < total:
        console.print(f"{total - left} of {total} samples are there; {left} to go")
    events: list[str] = []
    if not left:
        return events
    from rayrl.evaluate.sampler import sample
    from rayrl.train.cluster import connect, require_resources

    def tell(event: str, detail: str) -> None:
        events.append(f"{event}: {detail}")
        console.print(events[-1], markup=False)

    with connect() as cluster, progress_bars(console) as progress:
        for plan, draws in missing:
            require_resources(plan.config, cluster)
            done = len(plan.draws) - len(draws)
            task = progress.add_task(plan.target.label, total=len(plan.draws), completed=done)
            new = [draw for draw in draws if draw.key not in journal]  # not so of the same model under another name

            def take(draw: Draw, row: EvaluationRow, label: str = plan.target.label, task: TaskID = task) -> None:
                journal.append(record_of(draw, row, label))
                progress.advance(task)

            if new:
                sample(plan, new, take, tell)
    return events


def _finish(folder: Path, plans: Sequence[EvalPlan], journal: Journal, settings: str, events: Sequence[str]) -> None:
    """Writes the results and shows them."""
    rows = {plan.target.label: _rows(plan, journal) for plan in plans}
    k = {one.name: one.k for one in plans[0].config.evaluation_sets}
    models = [model_results(label, own, k) for label, own in rows.items()]
    pairs = compare(rows)
    for model in models:
        place = folder if len(models) == 1 else folder / model.label
        place.mkdir(exist_ok=True)
        write_whole(place / "results.json", _json(model.record()))
    if pairs:
        write_whole(folder / "comparison.json", _json([one.record() for one in pairs]))
    notes = [*_notes(plans), *_warnings(models), *events]
    _show(models, pairs, notes)
    records = {model.label: model.record() for model in models}
    page = write_eval_report(folder, records, [one.record() for one in pairs], notes, settings)
    print(f"report: {page}")


def _rows(plan: EvalPlan, journal: Journal) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for draw in plan.draws:
        found.setdefault(draw.benchmark, []).append(journal[draw.key])
    return found


def _notes(plans: Sequence[EvalPlan]) -> list[str]:
    """What a reader should know beside the figures: rows that were left out, what holds of a model."""
    said = [f"{plan.target.label}: {note}" for plan in plans for note in plan.target.notes]
    said += [note for plan in plans for note in plan.sets.notes]
    for plan in plans:
        for why, ids in plan.sets.left_out.items():
            shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
            said.append(f"{plan.target.label}: left out {len(ids)} of {why} ({shown})")
    return list(dict.fromkeys(said))


def _warnings(models: Sequence[ModelResults]) -> list[str]:
    return [f"{model.label}: {warning}" for model in models for warning in model.warnings.values()]


def _show(models: Sequence[ModelResults], pairs: Sequence[PairedResult], notes: Sequence[str]) -> None:
    console = Console(width=160, highlight=False)
    console.print(results_table(models))
    if pairs:
        console.print(comparison_table(pairs))
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
