"""The figures of an evaluated set, each with its interval over items: samples of one item are not independent."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from rayrl.evaluate.estimators import majority_at_k, pass_at_k
from rayrl.intervals import mean_interval
from rayrl.report.inference import share, share_of_parts
from rayrl.report.results import share_cut_off
from rayrl.rollout_row import correct, cut_off, identity, share_correct
from rayrl.types import Status

Row = Mapping[str, Any]
WARN_CUT_OFF = 0.05
"""Share of completions cut off at the length limit from which on a person is warned."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `n` items with its 95 % interval. None: no item has it, or the interval cannot be said."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Item:
    """The samples of one item."""

    rows: Sequence[Row]

    @cached_property
    def scored(self) -> list[Row]:
        return [row for row in self.rows if correct(row) is not None]

    @cached_property
    def right(self) -> int:
        return sum(bool(correct(row)) for row in self.scored)

    def pass_at(self, k: int) -> float | None:
        """None where fewer than k samples could be scored."""
        return pass_at_k(len(self.scored), self.right, k) if len(self.scored) >= k else None

    def majority_at(self, k: int) -> float | None:
        """As `pass_at`. All right answers are one answer: each is equal to the reference."""
        if len(self.scored) < k:
            return None
        votes = [vote for row in self.scored if not correct(row) and (vote := _vote(row)) is not None]
        alone = votes.count("")
        others = [votes.count(vote) for vote in sorted(set(votes) - {""})] + [1] * alone
        return majority_at_k(self.right, others, len(self.scored) - self.right - len(votes), k)


def _vote(row: Row) -> str | None:
    """What a wrong answer counts as: the text that the verifier read, lower-cased. Empty: an answer like no other, of
    which the verifier gives no text. None: no answer was found (unparseable, refusal), which is no vote."""
    silent: tuple[Status, ...] = ("unparseable", "refusal")
    if row.get("status") in silent:
        return None
    return " ".join(str(row.get("extracted") or "").lower().split())


def items_of(rows: Iterable[Row]) -> list[Item]:
    """Rows by item, in the order of items."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(identity(row), []).append(row)
    return [Item(own) for own in found.values()]


def summarize(rows: Iterable[Row], k: Iterable[int] = ()) -> dict[str, Figure]:
    """{metric: figure} of one set: accuracy, share cut off, accuracy of those that finished, mean tokens; and where
    items have several samples avg@n (the accuracy), pass@k and, where a verifier says what it read, maj@k; and means
    of the rows' `measures`."""
    items = items_of(rows)
    samples = max((len(item.rows) for item in items), default=0)
    finished = [Item([row for row in item.rows if row.get("finish_reason") and not cut_off(row)]) for item in items]
    accuracy = _shares((share_correct(item.rows) for item in items), samples)
    figures = {
        "accuracy": accuracy,
        "accuracy_finished": _shares((share_correct(item.rows) for item in finished), samples),
        "truncated_frac": _shares((share_cut_off(item.rows) for item in items), samples),
        "mean_tokens": _mean([fmean(known) for item in items if (known := _tokens(item))]),
    }
    if samples > 1:
        judged = any(row.get("status") is not None for item in items for row in item.rows)
        kinds: dict[str, Callable[[Item, int], float | None]] = {"pass": Item.pass_at}
        kinds |= {"maj": Item.majority_at} if judged else {}
        figures[f"avg@{samples}"] = accuracy
        figures |= {
            f"{kind}@{one}": _shares((of(item, one) for item in items), samples / one)
            for kind, of in kinds.items()
            for one in k
        }
    return figures | _measures(items, samples)


def _measures(items: Sequence[Item], samples: int) -> dict[str, Figure]:
    """Of each of the rows' measures the mean over the items that have it; within 0..1 it is taken as a share."""
    values: dict[str, list[float]] = {}
    for item in items:
        own = [row.get("measures", {}) for row in item.rows]
        for name in dict.fromkeys(name for one in own for name in one):
            values.setdefault(name, []).append(fmean(one[name] for one in own if name in one))
    return {name: _share_or_mean(found, samples) for name, found in values.items()}


def harness_metrics(rows: Sequence[Row]) -> dict[str, Figure]:
    """Of a task of lm-evaluation-harness: the mean over its documents of each of its metrics that is a number; within
    0..1 it is taken as a share. Of a metric of parts (instructions) the share of all parts, whose number is `n`; its
    interval is over documents, as parts of one are not independent."""
    names = dict.fromkeys(name for row in rows for name in row.get("metrics", {}))
    figures = {
        name: _share_or_mean([row["metrics"][name] for row in rows if name in row["metrics"]], 1) for name in names
    }
    for name in dict.fromkeys(name for row in rows for name in row.get("parts", {})):
        parts = [row["parts"][name] for row in rows if row.get("parts", {}).get(name)]
        if parts:
            found = share_of_parts(np.array(list(map(sum, parts)), float), np.array(list(map(len, parts)), float))
            figures[name] = Figure(found.mean, found.low, found.high, found.items)
    return figures


def cut_off_warning(name: str, figures: Mapping[str, Figure]) -> str | None:
    """What to say where more than WARN_CUT_OFF of a set's completions were cut off; else None."""
    cut = figures["truncated_frac"].value or 0.0
    if cut <= WARN_CUT_OFF:
        return None
    finished = figures["accuracy_finished"].value
    among = "none finished with a score" if finished is None else f"accuracy of those that finished {finished:.3f}"
    return f"{name}: {100 * cut:.1f} % of the completions were cut off at the length limit ({among}); raise max_tokens"


def _tokens(item: Item) -> list[int]:
    """Of its completions, where they are known: lm-evaluation-harness's own files do not say."""
    return [row["tokens"] for row in item.rows if row["tokens"] is not None]


def _shares(values: Iterable[float | None], draws: float) -> Figure:
    """Mean of the items' shares (0..1) that are known; `draws`: independent ones behind each share."""
    known = [value for value in values if value is not None]
    if not known:
        return Figure(None, None, None, 0)
    found = share(np.array(known), draws)
    return Figure(found.mean, found.low, found.high, found.items)


def _share_or_mean(values: Sequence[float], draws: float) -> Figure:
    return _shares(values, draws) if all(0 <= value <= 1 for value in values) else _mean(values)


def _mean(values: Sequence[float]) -> Figure:
    mean, low, high = (None if math.isnan(number) else number for number in mean_interval(values))
    return Figure(mean, low, high, len(values))
