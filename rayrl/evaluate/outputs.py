"""What an evaluation leaves beside its items: results.json, comparison.json, tables, report.html."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from rayrl.evaluate.plan import EvalPlan
from rayrl.evaluate.results import compare, model_results
from rayrl.evaluate.tables import comparison_table, results_table
from rayrl.files import write_whole
from rayrl.jsonl import Journal
from rayrl.report.eval_page import write_eval_report

ITEMS, SETTINGS = "items.jsonl", "eval.yaml"


def write_results(folder: Path, plans: Sequence[EvalPlan], journal: Journal, events: Sequence[str]) -> None:
    """Writes the results of the models of `plans`, all of whose samples are in the journal, and prints them.

    events: what happened meanwhile, in words.
    """
    rows = {plan.target.label: _rows(plan, journal) for plan in plans}
    config = plans[0].config
    k = dict.fromkeys(config.evaluated_names, (1,)) | {one.name: one.k for one in config.evaluation_sets}
    models = [model_results(label, own, k) for label, own in rows.items()]
    pairs = compare(rows)
    for name in ("results.json", "comparison.json"):  # of other models, where the command named others before
        (folder / name).unlink(missing_ok=True)
    for model in models:
        place = folder if len(models) == 1 else folder / model.label
        place.mkdir(exist_ok=True)
        write_whole(place / "results.json", _json(model.record()))
    if pairs:
        write_whole(folder / "comparison.json", _json([one.record() for one in pairs]))
    notes = [
        *notes_of(plans),
        *(f"{model.label}: {one}" for model in models for one in model.warnings.values()),
        *events,
    ]
    console = Console(width=160, highlight=False)
    console.print(results_table(models))
    if pairs:
        console.print(comparison_table(pairs))
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    settings = (folder / SETTINGS).read_text(encoding="utf-8")
    records = {model.label: model.record() for model in models}
    page = write_eval_report(folder, records, [one.record() for one in pairs], notes, settings)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


def notes_of(plans: Sequence[EvalPlan]) -> list[str]:
    """What a reader should know beside the figures: rows that were left out, what holds of a model."""
    said = [f"{plan.target.label}: {note}" for plan in plans for note in plan.target.notes]
    said += [note for plan in plans for note in plan.sets.notes]
    for plan in plans:
        for why, ids in plan.sets.left_out.items():
            shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
            said.append(f"{plan.target.label}: left out {len(ids)} of {why} ({shown})")
    return list(dict.fromkeys(said))


def _rows(plan: EvalPlan, journal: Journal) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for draw in plan.draws:
        found.setdefault(draw.benchmark, []).append(journal[draw.key])
    return found


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
