"""Agreement of the verifiers with people, on labelled answers that real models gave.

    python tests/benchmarks/verifier_agreement.py --data ../shared/data/labelled [--half development|held-out|both]
        [--output agreement.md] [--judge-url URL --judge-model NAME]

Prints Markdown: figures, confusion tables and every disagreement, sorted; on the development half with our view of it
(`views.json`). A FinanceBench row belongs to the development half if the first byte of the SHA-256 of its question's id
is even: all answers to a question are in one half. A gold is numeric if the whole of it is one or several amounts.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayrl.types import STATUSES, Verdict
from rayrl.verify import maths
from rayrl.verify.finance import verifier
from rayrl.verify.finance.gold import read_gold

VIEWS = Path(__file__).with_name("views.json")
MEASURED = """It was measured ten times before any of its rows was read, at last with 94.1 % of the refusals found.
Then its nine missed refusals were read: one is an answer, in eight ours was wrong (docs/lab_notes.md). One rule came of
that, and finds two of them: a response without any answer is a refusal if it says that something is missing."""
LABELS = ("Correct Answer", "Incorrect Answer", "Refusal")


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled row with our verdict. key: question, model and mode. kind: of its gold."""

    key: str
    label: str
    kind: str
    verdict: Verdict

    @property
    def agrees(self) -> bool:
        return (self.verdict.score == 1.0) == (self.label == LABELS[0])


def is_development(question_id: str) -> bool:
    """Whether a FinanceBench question is in the half that the verifier was built on."""
    return hashlib.sha256(question_id.encode()).digest()[0] % 2 == 0


def judge_financebench(path: Path, half: str, judge: dict[str, str] | None) -> list[Judged]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    if half != "both":
        rows = [row for row in rows if is_development(row["id"]) == (half == "development")]
    found = []
    for row in rows:
        verdict = verifier.verify(row["response"], row["gold"], question=row["question"], judge=judge)
        key = f"{row['id'].removeprefix('financebench_id_')} {row['model']} {row['mode']}"
        found.append(Judged(key, row["label"], read_gold(row["gold"]).kind, verdict))
    return found


def share(rows: Sequence[Judged]) -> str:
    agreeing = sum(row.agrees for row in rows)
    return f"{agreeing}/{len(rows)} = {agreeing / len(rows):.1%}" if rows else "no rows"


def figures(rows: Sequence[Judged]) -> list[tuple[str, str]]:
    """Name and value of what is asked of the finance verifier."""
    numeric = [row for row in rows if row.kind in ("amounts", "range")]
    false = [row for row in numeric if not row.agrees and row.verdict.score == 1.0]
    said = [row for row in rows if row.verdict.status == "refusal"]
    meant = [row for row in rows if row.label == "Refusal"]
    both = sum(row.label == "Refusal" for row in said)
    return [
        ("numeric golds, correct or not", share(numeric)),
        ("numeric golds, false positives", f"{len(false)}/{len(numeric)} = {len(false) / max(1, len(numeric)):.1%}"),
        ("refusals, precision", f"{both}/{len(said)} = {both / max(1, len(said)):.1%}"),
        ("refusals, recall", f"{both}/{len(meant)} = {both / max(1, len(meant)):.1%}"),
        ("yes-or-no golds", share([row for row in rows if row.kind == "yes_no"])),
        ("free-text golds", share([row for row in rows if row.kind == "text"])),
        ("all rows", share(rows)),
    ]


def confusion(rows: Sequence[Judged]) -> list[str]:
    counts = Counter((row.label, row.verdict.status) for row in rows)
    used = [status for status in STATUSES if any(counts[label, status] for label in LABELS)]
    lines = [f"| person \\ verifier | {' | '.join(used)} |", f"|---|{'---:|' * len(used)}"]
    return [*lines, *(f"| {label} | {' | '.join(str(counts[label, s]) for s in used)} |" for label in LABELS)]


def disagreements(rows: Sequence[Judged], views: dict[str, str]) -> list[str]:
    lines = ["| answer | gold is | person | verifier | why | our view |", "|---|---|---|---|---|---|"]
    for row in sorted((row for row in rows if not row.agrees), key=lambda row: (row.kind, row.key)):
        extracted = f" {row.verdict.extracted[:30]!r}" if row.verdict.extracted else ""
        view = views.get(row.key) or views.get(row.key.split()[0], "")
        ours = f"{row.verdict.status}{extracted} | {row.verdict.reason[:80]}"
        lines.append(f"| {row.key} | {row.kind} | {row.label} | {ours} | {view} |")
    return lines


def gsm8k(path: Path) -> str:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    agreeing = sum((maths.verify(row["response"], row["gold"]).score == 1.0) == row["correct"] for row in rows)
    return f"{agreeing}/{len(rows)} = {agreeing / len(rows):.2%}"


def report(rows: Sequence[Judged], half: str, views: dict[str, str]) -> list[str]:
    lines = [f"## FinanceBench answers, {half}: {len(rows)} rows", ""]
    lines += [MEASURED, ""] if half == "held-out" else []
    lines += ["| figure | agreement |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in figures(rows)]
    return [*lines, "", *confusion(rows), "", "### Disagreements", "", *disagreements(rows, views), ""]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Agreement of the verifiers with people")
    parser.add_argument("--data", type=Path, required=True, help="folder with the two labelled files")
    parser.add_argument("--half", choices=("development", "held-out", "both"), default="development")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--judge-url")
    parser.add_argument("--judge-model")
    parser.add_argument("--judge-cache", default="judge-cache")
    known = parser.parse_args(arguments)
    judge: dict[str, Any] | None = None
    if known.judge_url:
        judge = {"url": known.judge_url, "model": known.judge_model, "cache": known.judge_cache}
    views: dict[str, str] = json.loads(VIEWS.read_text()) if VIEWS.is_file() else {}
    lines = ["# Verifiers: agreement with people", ""]
    if known.half != "held-out":
        lines += [f"GSM8K solutions, maths verifier: {gsm8k(known.data / 'gsm8k_solutions.jsonl')}", ""]
    halves = ("development", "held-out") if known.half == "both" else (known.half,)
    for half in halves:
        rows = judge_financebench(known.data / "financebench_answers.jsonl", half, judge)
        lines += report(rows, half, views if half == "development" else {})
    text = "\n".join(lines)
    if known.output:
        known.output.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
