"""The same held-out problem as each arm of a study answered it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayrl.report.results import Row
from rayrl.report.samples import Sample, first_samples, problem, sample
from rayrl.report.study_directory import Arm, Study, Trial
from rayrl.rollout_row import correct, identity


@dataclass(frozen=True, slots=True)
class Answer:
    arm: Arm
    seed: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `right` of `judged` arms answered it correctly."""

    prompt_id: str
    prompt: str
    gold: str
    right: int
    judged: int
    answers: list[Answer]


def problems(study: Study, limit: int = 6) -> tuple[list[Problem], int]:
    """(problems on which the arms differ most, in how many they differ at all). Of each arm: its first finished trial.

    Among equals the order is the evaluation's; nothing else chooses.
    """
    rows = {arm.name: (trial, _by_problem(trial)) for arm in study.arms for trial in arm.finished[:1]}
    asked = list(dict.fromkeys(prompt for _, found in rows.values() for prompt in found))
    split = {prompt: _split([found.get(prompt) for _, found in rows.values()]) for prompt in asked}
    shown = sorted(asked, key=lambda prompt: -split[prompt])[:limit]  # stable: ties stay in order
    return [_problem(study, prompt, rows) for prompt in shown], sum(map(bool, split.values()))


def _by_problem(trial: Trial) -> dict[str, Row]:
    samples = trial.last_samples
    return {identity(row): row for row in first_samples(samples)} if samples else {}


def _split(rows: Sequence[Row | None]) -> int:
    """How many arms are in the minority: 0 where all agree."""
    judged = [score for row in rows if row is not None and (score := correct(row)) is not None]
    return min(sum(judged), len(judged) - sum(judged))


def _problem(study: Study, prompt: str, rows: Mapping[str, tuple[Trial, Mapping[str, Row]]]) -> Problem:
    answers, judged, first = [], [], None
    for arm in study.arms:
        trial, found = rows.get(arm.name, (None, {}))
        row = found.get(prompt)
        if trial is None or row is None:
            continue
        first = first or row
        answers.append(Answer(arm, str(trial.seed), sample(row, "score")))
        if (score := correct(row)) is not None:
            judged.append(score)
    return Problem(*problem(first or {}), sum(judged), len(judged), answers)
