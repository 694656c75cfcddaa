"""Arms of a study compared on the same items: shares, differences to the base, GRPO against SFT."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from rayrl.config import HELD_OUT
from rayrl.report.inference import (
    Array,
    Difference,
    Share,
    difference,
    holm,
    parts_of_one,
    share,
    sign_flip,
    whole_differences,
)
from rayrl.report.results import Scores, share_cut_off
from rayrl.report.study_directory import Arm, Study, Trial

IN_DOMAIN, KNOWLEDGE = "in-domain", "knowledge"


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one benchmark: mean over seeds and items. `unscored` answers, over all seeds, have no score; of all
    completions the share `cut_off` ended at the length limit, where that is known."""

    share: Share
    seeds: list[float]
    unscored: int
    cut_off: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`arm` minus `other` on a benchmark. `p` of an exact sign-flip test over items; `adjusted`: after Holm's
    correction over the family that it belongs to."""

    arm: str
    other: str
    benchmark: str
    difference: Difference
    p: float
    adjusted: float
    seeds: list[float]
    left_out: int

    @property
    def pair(self) -> str:
        return f"{self.arm} − {self.other}"

    @property
    def significant(self) -> bool:
        return self.adjusted < 0.05


class Benchmarks:
    """Scores of every finished trial, and what is computed from them."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._scores = {arm.name: [trial.scores() for trial in arm.finished] for arm in study.arms}

    @cached_property
    def names(self) -> list[str]:
        """Benchmarks that any finished trial measured, in-domain first."""
        found = dict.fromkeys(name for trials in self._scores.values() for scores in trials for name in scores)
        return sorted(found, key=lambda name: self.role(name) != IN_DOMAIN)

    def role(self, benchmark: str) -> str:
        """in-domain: the run's own held-out problems and what the study names so; knowledge: all others."""
        named = self.study.in_domain
        return IN_DOMAIN if benchmark in ([HELD_OUT] if named is None else named) else KNOWLEDGE

    def of_role(self, role: str) -> list[str]:
        return [name for name in self.names if self.role(name) == role]

    def cell(self, arm: Arm, benchmark: str) -> Cell | None:
        """None where no finished trial of the arm measured it."""
        trials = self._measured(arm.name, benchmark)
        items = _scored_in_all(trials)
        if not items:
            return None
        table = _table(trials, items)
        unscored = sum(score is None for trial in trials for score in trial.values())
        return Cell(
            share(table.mean(axis=0), len(trials) * parts_of_one(table)),
            table.mean(axis=1).tolist(),
            unscored,
            self._cut_off(arm, benchmark),
        )

    def _cut_off(self, arm: Arm, benchmark: str) -> float | None:
        rows = (row for trial in arm.finished for row in trial.last_benchmarks if row.get("benchmark") == benchmark)
        return share_cut_off(rows)

    def to_base(self) -> list[Comparison]:
        """Every trained arm against the base, on every benchmark; Holm's correction over all of them."""
        base = self.study.base
        return _adjusted(self._compare((arm, base) for arm in self.study.trained)) if base else []

    def grpo_to_sft(self) -> list[Comparison]:
        """Every GRPO arm against every SFT arm that trains the same parameters; Holm's correction over all of them."""
        methods = {m: [arm for arm in self.study.trained if arm.method == m] for m in ("GRPO", "SFT")}
        pairs = product(methods["GRPO"], methods["SFT"])
        return _adjusted(self._compare((grpo, sft) for grpo, sft in pairs if grpo.freeze == sft.freeze))

    def change(self, arm: Arm, role: str, trial: Trial | None = None) -> Difference | None:
        """Mean change to the base over the role's benchmarks that both measured, of the arm or of one of its trials."""
        base = self.study.base
        if base is None:
            return None
        chosen = None if trial is None else arm.finished.index(trial)
        parts = []
        for benchmark in self.of_role(role):
            trials, others = self._measured(arm.name, benchmark, chosen), self._measured(base.name, benchmark)
            items = _scored_in_all(trials + others) if trials and others else []
            if items:
                parts.append(_per_item(trials, others, items))
        return difference(parts) if parts else None

    def _compare(self, pairs: Iterable[tuple[Arm, Arm]]) -> list[Comparison]:
        found = []
        for (arm, other), benchmark in product(list(pairs), self.names):
            trials, others = self._measured(arm.name, benchmark), self._measured(other.name, benchmark)
            items = _scored_in_all(trials + others) if trials and others else []
            if not items:
                continue
            per_item = _per_item(trials, others, items)
            seeds = [float(_per_item([trial], others, items).mean()) for trial in trials]
            everything = {item for trial in trials + others for item in trial}
            p = sign_flip(whole_differences(per_item))
            result, left_out = difference([per_item]), len(everything) - len(items)
            found.append(Comparison(arm.name, other.name, benchmark, result, p, p, seeds, left_out))
        return found

    def _measured(self, arm: str, benchmark: str, chosen: int | None = None) -> list[Scores]:
        trials = self._scores[arm] if chosen is None else [self._scores[arm][chosen]]
        return [scores[benchmark] for scores in trials if benchmark in scores]


def _scored_in_all(trials: Sequence[Scores]) -> list[str]:
    first = trials[0] if trials else {}
    return [item for item in first if all(trial.get(item) is not None for trial in trials)]


def _table(trials: Sequence[Scores], items: Sequence[str]) -> Array:
    """[S, I] of shares: 0 and 1 where items have one sample."""
    return np.array([[float(trial[item] or 0.0) for item in items] for trial in trials])


def _per_item(trials: Sequence[Scores], others: Sequence[Scores], items: Sequence[str]) -> Array:
    """[I] differences of the items' means over seeds."""
    result: Array = _table(trials, items).mean(axis=0) - _table(others, items).mean(axis=0)
    return result


def _adjusted(comparisons: list[Comparison]) -> list[Comparison]:
    adjusted = holm([comparison.p for comparison in comparisons])
    return [replace(one, adjusted=p) for one, p in zip(comparisons, adjusted, strict=True)]


def lookup(comparisons: Iterable[Comparison]) -> Mapping[tuple[str, str, str], Comparison]:
    """{(arm, other, benchmark): comparison}"""
    return {(one.arm, one.other, one.benchmark): one for one in comparisons}
