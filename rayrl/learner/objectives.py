"""What is minimized: pure functions of (log-probabilities, Batch) -> (loss sum, metrics).

The weight of each token already holds 1 / denominator, counted over all trees of the update (`weigh`), so neither
the size of micro-batches nor the number of ranks changes the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from rayrl.config import ObjectiveSettings
from rayrl.learner.batch import Batch, Tree
from rayrl.learner.importance import importance_weights, mismatch
from rayrl.learner.metrics import MetricSums

Normalizer = Literal["token", "sequence", "constant"]
Loss = Callable[[torch.Tensor, Batch], tuple[torch.Tensor, MetricSums]]

STD_FLOOR = 1e-4  # added to a group's standard deviation, as in GRPO's common implementations


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss and what its sum is divided by."""

    loss: Loss
    normalizer: Normalizer
    max_tokens: int = 0  # longest completion; the constant normalizer's length
    by_advantage: bool = False  # the loss is proportional to advantages: a tree without any has no gradient
    reference: bool = False  # the loss compares with the model that training started from
    proximal: bool = False  # the loss compares with the learner before the step's first update

    def moves(self, tree: Tree) -> bool:
        """Whether the tree can have a gradient. A group in which all earned the same may have none."""
        return tree.loss_tokens > 0 and (not self.by_advantage or any(segment.advantage for segment in tree.segments))


def grpo_objective(settings: ObjectiveSettings, max_tokens: int) -> Objective:
    """GRPO in the variant that `settings` name. `max_tokens` is the longest completion the sampler may make."""
    settings = settings.resolved()
    assert settings.normalizer is not None

    def loss(logprobs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, MetricSums]:
        return policy_loss(logprobs, batch, settings)

    reference = settings.kl_coefficient > 0
    return Objective(
        loss, settings.normalizer, max_tokens, by_advantage=not reference, reference=reference, proximal=True
    )


def sft_objective(normalizer: Literal["token", "sequence"] = "token") -> Objective:
    """Cross-entropy of the tokens that bear a loss."""
    return Objective(sft_loss, normalizer)


def group_advantages(rewards: Sequence[float | None], settings: ObjectiveSettings) -> list[float]:
    """Rewards less their baseline, over the group's sample standard deviation if asked (arXiv:2402.03300, eq. 4).

    The baseline is the group's mean, or for each the mean of the others (arXiv:2402.14740). None (no reward) counts
    in neither and gets 0; the caller leaves such completions out of the tree.

    Args:
        rewards: [G]
        settings: Resolved (`ObjectiveSettings.resolved`).
    """
    known = [reward for reward in rewards if reward is not None]
    count, mean = len(known), sum(known) / max(1, len(known))
    scale = 1.0
    if settings.baseline == "leave_one_out" and count > 1:
        # r - (sum - r) / (n - 1) = n / (n - 1) x (r - mean)
        scale = (count - 1) / count
    if settings.scale_by_std:
        variance = sum((reward - mean) ** 2 for reward in known) / max(1, count - 1)
        scale *= variance**0.5 + STD_FLOOR
    return [0.0 if reward is None else (reward - mean) / scale for reward in rewards]


def weigh(trees: Sequence[Tree], normalizer: Normalizer, max_tokens: int = 0) -> list[Tree]:
    """The trees with each segment's token weight set, for an update over exactly these trees.

    What counts are plain rows with a loss (`Tree.rows`): the loss is that of the rows run one by one, and a token
    that several share weighs as much as in all of them. token: 1 / loss tokens; sequence: 1 / (rows x the row's loss
    tokens); constant: 1 / (rows x max_tokens) (arXiv:2503.20783).

    Raises:
        ValueError: The constant normalizer without a positive `max_tokens`.
    """
    if normalizer == "constant" and max_tokens < 1:
        raise ValueError(f"the constant normalizer needs max_tokens of at least 1, got {max_tokens}")
    rows: list[tuple[int, list[int], int]] = []  # tree, segments, loss tokens
    for index, tree in enumerate(trees):
        for path in tree.rows():
            if own := sum(tree.segments[at].loss_tokens for at in path):
                rows.append((index, path, own))
    tokens = sum(own for *_, own in rows)
    weights = [[0.0] * len(tree.segments) for tree in trees]
    for index, path, own in rows:
        divisors = {"token": tokens, "sequence": len(rows) * own, "constant": len(rows) * max_tokens}
        for at in path:
            weights[index][at] += 1.0 / divisors[normalizer]
    return [
        Tree([replace(s, weight=w if s.loss_tokens else 0.0) for s, w in zip(tree.segments, own, strict=True)])
        for tree, own in zip(trees, weights, strict=True)
    ]


def policy_loss(logprobs: torch.Tensor, batch: Batch, settings: ObjectiveSettings) -> tuple[torch.Tensor, MetricSums]:
    """-sum of weight x (w x surrogate - kl_coefficient x KL), with A the advantage and r = policy / proximal policy.

    surrogate ppo: min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) (arXiv:1707.06347, eq. 7).
    surrogate cispo: clip(r, 1 - clip_low, 1 + clip_high) A x log policy, the clip without gradient
    (arXiv:2506.13585).

    The proximal policy is the learner before this step's first update (`batch.old_logprobs`; None: these very
    log-probabilities, so r is 1 and only its gradient is left). It is not the policy that sampled: with `max_staleness`
    that one is older, and w, made of proximal policy / generator alone, corrects for it and for the generator's
    numerics (`importance.importance_weights`). So clips bound what the step's own updates change, however stale its
    samples are: the decoupled objective of AReaL (arXiv:2505.24298).

    With the sequence ratio, r and w are geometric means over the tokens of each completion (arXiv:2507.18071, eq. 7).
    KL is the k3 estimator exp(d) - d - 1 at d = reference - learner (arXiv:2402.03300, eq. 4), whose gradient is
    (1 - exp(d)) x that of the log-probability.

    Args:
        logprobs: [K] of the targets, in nats.
        batch: Needs generator_logprobs; with a kl_coefficient also reference_logprobs.
        settings: Resolved (`ObjectiveSettings.resolved`).

    Raises:
        ValueError: The batch has targets and lacks log-probabilities that the loss needs.
    """
    assert settings.clip_low is not None
    assert settings.clip_high is not None
    current = logprobs.detach()
    old = current if batch.old_logprobs is None else batch.old_logprobs
    gaps = old - _needed(batch.generator_logprobs, "generator", current)
    factor, metrics = importance_weights(gaps, batch, settings)
    metrics.merge(mismatch(gaps))

    shifts = logprobs - old
    ratio = torch.exp(shifts if settings.ratio == "token" else batch.sequence_means(shifts))
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    if settings.surrogate == "cispo":
        surrogate = clipped.detach() * batch.advantages * logprobs
        clips = clipped != ratio
    else:
        surrogate = torch.minimum(ratio * batch.advantages, clipped * batch.advantages)
        clips = surrogate < ratio * batch.advantages  # where the clip decides
    loss = -(batch.weights * factor * surrogate).sum()
    metrics.mean("policy/clip_frac", clips)
    metrics.mean("policy/clip_low_frac", clips & (ratio < clipped))
    metrics.mean("policy/clip_high_frac", clips & (ratio > clipped))

    if settings.kl_coefficient:
        gap = _needed(batch.reference_logprobs, "reference", current) - logprobs
        divergence = torch.expm1(gap) - gap
        loss = loss + settings.kl_coefficient * (batch.weights * divergence).sum()
        metrics.mean("policy/kl_to_base_mean", divergence)
    return loss, metrics


def _needed(values: torch.Tensor | None, whose: str, current: torch.Tensor) -> torch.Tensor:
    """`values`; an idle batch has none and needs none."""
    if values is None and len(current):
        raise ValueError(f"policy_loss needs the {whose}'s log-probability of every target")
    return current if values is None else values


def sft_loss(logprobs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, MetricSums]:
    """-sum of weight x logprob, [K] in nats."""
    metrics = MetricSums()
    metrics.mean("sft/token_loss_mean", -logprobs)
    return -(batch.weights * logprobs).sum(), metrics
