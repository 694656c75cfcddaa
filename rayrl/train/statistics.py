"""Numbers of a step and of an evaluation, from groups and rows."""

import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from rayrl.actors.admission import StepBatch
from rayrl.config import HELD_OUT, ObjectiveSettings
from rayrl.evaluate.summary import summarize
from rayrl.intervals import mean_interval
from rayrl.rollout_row import EvaluationRow, training_rows
from rayrl.types import STATUSES


def rollout_statistics(batch: StepBatch, step: int, objective: ObjectiveSettings) -> dict[str, Any]:
    """Metrics of one step's groups. `samples` holds readable rows for rollouts/, a list for each group."""
    groups = batch.groups
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rewards = [reward for group in groups for reward in group.rewards]
    known = [reward for reward in rewards if reward is not None]
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    tokens = sum(len(rollout.token_ids) for rollout in rollouts)
    truncated = sum(rollout.finish_reason == "length" for rollout in rollouts)
    staleness = step - np.concatenate([rollout.policy_versions for rollout in rollouts])
    # Groups, not completions, are independent draws: the interval is over group means.
    means = [statistics.fmean(part) for g in groups if (part := [r for r in g.rewards if r is not None])]
    _, low, high = mean_interval(means) if means else (None, None, None)
    result: dict[str, Any] = {
        "reward/mean": statistics.fmean(known) if known else None,
        "reward/ci_low": low,
        "reward/ci_high": high,
        "reward/std": statistics.pstdev(known) if known else None,
        "reward/none_frac": 1 - len(known) / len(rewards),
        "group/zero_variance_frac": _share(len({r for r in g.rewards if r is not None}) <= 1 for g in groups),
        "generate/completion_tokens": tokens,
        "generate/mean_tokens": tokens / len(rollouts),
        "generate/truncated_frac": truncated / len(rollouts),
        "generate/masked_truncated": truncated if objective.mask_truncated else 0,
        "generate/tokens_per_s": tokens / batch.generate_s if batch.generate_s else 0.0,
        "policy/staleness_mean": float(staleness.mean()) if len(staleness) else 0.0,
        "policy/staleness_max": int(staleness.max(initial=0)),
        "time/generate_s": batch.generate_s,
        "time/verify_s": batch.verify_s,
        "verify/latency_mean_s": statistics.fmean(group.verify_s for group in groups),
    }
    for name in groups[0].reward_parts:
        values = [value for group in groups for value in group.reward_parts[name] if value is not None]
        result[f"reward/{name}"] = statistics.fmean(values) if values else None
    for status in STATUSES:
        if verdicts:
            result[f"verify/{status}_frac"] = _share(verdict.status == status for verdict in verdicts)
    result |= batch.ledger
    result["samples"] = [training_rows(group, step + 1) for group in groups]
    return result


def evaluation_statistics(
    sets: Mapping[str, list[EvaluationRow]], k: Mapping[str, Sequence[int]] = MappingProxyType({})
) -> dict[str, float | None]:
    """Of each set: `summarize`'s figures with the ends of their intervals, and counts; `eval/` is the held-out one.

    k: of pass@k and maj@k, by the set's name.
    """
    result: dict[str, float | None] = {}
    for name, rows in sets.items():
        figures = summarize(rows, k.get(name, ()))
        accuracy = figures["accuracy"]
        values: dict[str, float | None] = {
            "correct": _whole((accuracy.value or 0.0) * accuracy.n),
            "total": accuracy.n,
            "unscored": sum(row["score"] is None for row in rows),
        }
        for metric, figure in figures.items():
            values[metric] = figure.value
            if metric != "mean_tokens":
                values |= {f"{metric}_ci_low": figure.low, f"{metric}_ci_high": figure.high}
        for prefix in (f"benchmark/{name}", *(["eval"] if name == HELD_OUT else [])):
            result |= {f"{prefix}/{key}": value for key, value in values.items()}
    return result


def _whole(count: float) -> float:
    """A whole number where it is one but for rounding."""
    return round(count) if math.isclose(count, round(count), abs_tol=1e-9) else count


def _share(flags: Any) -> float:
    values = list(flags)
    return float(sum(values) / len(values))
