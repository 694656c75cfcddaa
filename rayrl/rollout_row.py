"""The row of a completion in rollouts/: what the driver writes, the report reads and people look at."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from statistics import fmean
from typing import Any, NotRequired, TypedDict, cast

from rayrl.types import Decider, FinishReason, RolloutGroup, Status


class RolloutRow(TypedDict):
    """One completion with its verdict, in words instead of token ids."""

    prompt_id: str
    prompt: Any
    """The question, as the data set has it; None where it has none."""
    gold: Any
    """The reference answer."""
    completion: str
    status: Status | None
    """None: no reward is a verifier, so there is no verdict."""
    extracted: str | None
    reason: str
    decided_by: Decider | None
    tokens: int
    finish_reason: FinishReason


class TrainingRow(RolloutRow):
    """A completion that a step was trained on, of rollouts/step_000001.jsonl."""

    step: int
    reward: float | None
    """Weighted sum over the reward functions; None: not trained on."""


class EvaluationRow(RolloutRow):
    """The answer to an evaluated item, of rollouts/eval_000001.jsonl and rollouts/benchmark_NAME_000001.jsonl."""

    sample: int
    """Which of the item's samples it is, from 0."""
    score: float | None
    """1.0 correct, 0.0 not; None: it could not be scored."""
    retrieved: NotRequired[Any]
    """What retrieval found for the item, where its row says so."""
    measures: NotRequired[dict[str, float]]
    """Further figures of this sample: `recall` of retrieval, and `reward/NAME` where several rewards score."""


def rollout_row(group: RolloutGroup, index: int) -> RolloutRow:
    """The row of completion `index` of a group."""
    rollout, verdict = group.rollouts[index], group.verdicts[index] if group.verdicts else None
    return {
        "prompt_id": group.prompt.id,
        "prompt": group.prompt.columns.get("question"),
        "gold": group.prompt.columns.get("answer"),
        "completion": rollout.text,
        "status": verdict.status if verdict else None,
        "extracted": verdict.extracted if verdict else None,
        "reason": verdict.reason if verdict else "",
        "decided_by": verdict.decided_by if verdict else None,
        "tokens": len(rollout.token_ids),
        "finish_reason": rollout.finish_reason,
    }


def training_rows(group: RolloutGroup, step: int) -> list[TrainingRow]:
    """The rows of a group that step `step` (counted from 1) was trained on."""
    return [{"step": step, **rollout_row(group, at), "reward": reward} for at, reward in enumerate(group.rewards)]


def evaluation_row(group: RolloutGroup, sample: int) -> EvaluationRow:
    """The row of one sample of an evaluated item, which is the one completion of its group."""
    score = group.verdicts[0].score if group.verdicts else group.rewards[0]
    columns, measures = group.prompt.columns, dict[str, float | None]()
    if len(group.reward_parts) > 1:
        measures |= {f"reward/{name}": values[0] for name, values in group.reward_parts.items()}
    row = cast(EvaluationRow, {**rollout_row(group, 0), "sample": sample, "score": score})
    if "retrieved" in columns:
        row["retrieved"] = columns["retrieved"]
        measures["recall"] = columns.get("recall")
    if known := {name: value for name, value in measures.items() if value is not None}:
        row["measures"] = known
    return row


def is_measure(name: str) -> bool:
    """Whether a figure is the mean of one of the rows' `measures`."""
    return name == "recall" or name.startswith("reward/")


def correct(row: Mapping[str, Any]) -> bool | None:
    """Whether an evaluated item was answered correctly; None where it could not be scored."""
    score = row.get("score")
    return score >= 1 if isinstance(score, int | float) else None


def share_correct(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Of the samples of one item, the share of the scored ones that are correct; None where none could be scored."""
    scored = [one for row in rows if (one := correct(row)) is not None]
    return fmean(scored) if scored else None


def cut_off(row: Mapping[str, Any]) -> bool:
    """Whether the completion ended at the length limit."""
    return row.get("finish_reason") == "length"


def identity(row: Mapping[str, Any]) -> str:
    """Which problem a row is of: its number in the data set, and a digest of the question and its gold.

    The same under every prompt template and length limit; another as soon as the data are.
    """
    asked = json.dumps([row.get("prompt"), row.get("gold")], default=str)
    return f"{row.get('prompt_id')} {sha256(asked.encode()).hexdigest()[:12]}"
