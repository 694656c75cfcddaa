"""Verdicts against people's labels: where they agree, and which way they differ, by who decided."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from rich.table import Table

from rayrl.types import DECIDERS, Decider

Judged = tuple[str, float | None, Decider]
"""status and score of a verdict, and who decided."""
Ending = Literal["agree", "false positives", "false negatives", "no verdict"]
ENDINGS: tuple[Ending, ...] = ("agree", "false positives", "false negatives", "no verdict")


def _ending(score: float | None, label: bool) -> Ending:
    if score is None:
        return "no verdict"
    correct = score == 1.0
    return "agree" if correct == label else "false positives" if correct else "false negatives"


def agreement_table(verdicts: Iterable[Judged], labels: Iterable[bool | None]) -> tuple[Table, int]:
    """A row for each that decided some of them; and how many verdicts have no label."""
    counts: dict[Decider, Counter[Ending]] = {decider: Counter() for decider in DECIDERS}
    unlabeled = 0
    for (_, score, decider), label in zip(verdicts, labels, strict=True):
        if label is None:
            unlabeled += 1
        else:
            counts[decider][_ending(score, label)] += 1
    table = Table("decided by", "labeled", *ENDINGS)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, count in counts.items():
        total = count.total()
        if total:
            shares = (f"{count[ending]} = {count[ending] / total:.1%}" for ending in ENDINGS)
            table.add_row(name, str(total), *shares)
    return table, unlabeled
