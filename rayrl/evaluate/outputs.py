"""What an evaluation leaves beside its items: results.json, comparison.json, tables, report.html."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from rayrl.evaluate.imported import ImportPlan
from rayrl.evaluate.likeness import differences
from rayrl.evaluate.plan import EvalPlan
from rayrl.evaluate.results import Rows, compare, model_results
from rayrl.evaluate.tables import comparison_table, results_table
from rayrl.files import write_whole
from rayrl.jsonl import Journal
from rayrl.report.eval_page import write_eval_report

ITEMS, ANSWERS, SETTINGS = "items.jsonl", "answers.jsonl", "eval.yaml"


Plan = EvalPlan | ImportPlan


def write_results(folder: Path, plans: Sequence[Plan], journal: Journal, events: Sequence[str]) -> None:
    """Writes the results of the models of `plans`, all of whose samples are in the journal, and prints them.

    events: what happened meanwhile, in words.
    """
    rows = {plan.label: _rows(plan, journal) for plan in plans}
    config = plans[0].config
    k = dict.fromkeys(config.evaluated_names, (1,)) | {one.name: one.k for one in config.evaluation_sets}
    models = [model_results(label, own, k) for label, own in rows.items()]
    pairs = compare(rows)
    unlike = _unlike(rows)
    compared = [one.record() | {"differences": unlike.get((one.model, one.benchmark), [])} for one in pairs]
    for name in ("results.json", "comparison.json"):  # of other models, where the command named others before
        (folder / name).unlink(missing_ok=True)
    for model in models:
        place = folder if len(models) == 1 else folder / model.label
        place.mkdir(exist_ok=True)
        write_whole(place / "results.json", _json(model.record()))
    if pairs:
        write_whole(folder / "comparison.json", _json(compared))
    notes = [
        *notes_of(plans),
        *(f"{label}: {name}: {one}" for (label, name), own in unlike.items() for one in own),
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
    page = write_eval_report(folder, records, compared, notes, settings)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


def notes_of(plans: Sequence[Plan]) -> list[str]:
    """What a reader should know beside the figures: rows that were left out, what holds of a model."""
    said = [note for plan in plans if isinstance(plan, EvalPlan) for note in plan.sets.notes]
    said += [f"{plan.label}: {note}" for plan in plans for note in plan.notes]
    return list(dict.fromkeys(said))


def _unlike(models: Mapping[str, Rows]) -> dict[tuple[str, str], list[str]]:
    """(model, benchmark) -> what it was asked otherwise than the first."""
    (reference, first), *others = models.items()
    return {
        (label, name): said
        for label, rows in others
        for name in rows
        if name in first and (said := differences(rows[name], first[name], reference))
    }


def _rows(plan: Plan, journal: Journal) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for draw in plan.draws:
        found.setdefault(draw.benchmark, []).append(draw.row(journal[draw.key]))
    return found


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
