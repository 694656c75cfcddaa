"""Completions that the report shows: held-out problems before and after, and the last step's training samples."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rayrl.report.results import Scores, scores
from rayrl.report.run_charts import VERDICTS
from rayrl.report.run_directory import Row, Run, Samples
from rayrl.report.text import number, printable
from rayrl.rollout_row import correct, identity

# How many pairs of each kind are shown where there are enough; room that one kind leaves goes to the others in order.
QUOTAS = {"gained": 5, "lost": 4, "still wrong": 2, "still correct": 1, "not scored": 0}
PROMPTS, COMPLETIONS = 4, 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion with its verdict, fit for a page (but not escaped: the template does that)."""

    text: str
    status: str
    css: str
    score: str
    extracted: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One held-out problem before and after training."""

    kind: str
    prompt_id: str
    prompt: str
    gold: str
    before: Sample
    after: Sample


@dataclass(frozen=True, slots=True)
class Group:
    """Training completions of one prompt."""

    prompt_id: str
    prompt: str
    gold: str
    samples: list[Sample]
    left_out: int


def outcomes(samples: Samples | None) -> Scores:
    return scores(samples.rows, identity) if samples else {}


def first_samples(samples: Samples) -> list[Row]:
    """Of items with several samples, the first of each."""
    return [row for row in samples.rows if not row.get("sample")]


def _kind(before: bool | None, after: bool | None) -> str:
    if before is None or after is None:
        return "not scored"
    if before == after:
        return "still correct" if after else "still wrong"
    return "gained" if after else "lost"


def pairs(run: Run, limit: int = 12) -> tuple[list[Pair], dict[str, tuple[int, int]]]:
    """(pairs with what changed first, {kind: (shown, all there are)}). Within a kind: in the order of evaluation."""
    if run.first_eval is None or run.last_eval is None:
        return [], {}
    last = {identity(row): row for row in first_samples(run.last_eval)}
    by_kind: dict[str, list[tuple[Row, Row]]] = {kind: [] for kind in QUOTAS}
    for row in first_samples(run.first_eval):
        other = last.get(identity(row))
        if other is not None:
            by_kind[_kind(correct(row), correct(other))].append((row, other))
    shown = _allot({kind: len(rows) for kind, rows in by_kind.items()}, limit)
    chosen = [_pair(kind, *rows) for kind in QUOTAS for rows in by_kind[kind][: shown[kind]]]
    return chosen, {kind: (shown[kind], len(rows)) for kind, rows in by_kind.items() if rows}


def _allot(available: dict[str, int], limit: int) -> dict[str, int]:
    shown = {kind: min(QUOTAS[kind], count) for kind, count in available.items()}
    for kind, count in available.items():
        shown[kind] += min(count - shown[kind], limit - sum(shown.values()))
    return shown


def _pair(kind: str, before: Row, after: Row) -> Pair:
    prompt_id, prompt, gold = problem(before)
    return Pair(kind, prompt_id, prompt, gold, sample(before, "score"), sample(after, "score"))


def groups(samples: Samples | None) -> list[Group]:
    """The first prompts of a step, with their first completions."""
    by_prompt: dict[str, list[Row]] = {}
    for row in samples.rows if samples else []:
        by_prompt.setdefault(str(row.get("prompt_id")), []).append(row)
    return [
        Group(*problem(rows[0]), [sample(row, "reward") for row in rows[:COMPLETIONS]], len(rows[COMPLETIONS:]))
        for rows in _first(by_prompt.values(), PROMPTS)
    ]


def _first(values: Iterable[list[Row]], count: int) -> list[list[Row]]:
    return list(values)[:count]


def problem(row: Row) -> tuple[str, str, str]:
    """(id, question, gold), fit for a page."""
    return printable(row.get("prompt_id", "")), printable(row.get("prompt", "")), printable(row.get("gold", ""))


def sample(row: Row, score_name: str) -> Sample:
    """The completion of a row of rollouts/; its score is called `score` there, or `reward`."""
    status = str(row.get("status") or "no verdict")
    notes = []
    if isinstance(row.get("tokens"), int):
        notes.append(f"{row['tokens']} tokens")
    if row.get("finish_reason") == "length":
        notes.append("cut at the length limit")
    return Sample(
        text=printable(row.get("completion", "")),
        status=printable(status),
        css=status if status in VERDICTS else "none",
        score=_score(score_name, row.get(score_name)),
        extracted=printable(row["extracted"], 80, 40) if row.get("extracted") is not None else "",
        reason=printable(row.get("reason") or "", 160, 80),
        note=", ".join(notes),
    )


def _score(name: str, found: Any) -> str:
    return f"{name} {number(found)}" if isinstance(found, int | float) else f"no {name}"
