"""What is minimised: pure functions of (log-probabilities, Batch) -> (loss sum, metrics).

The weight of each token already holds 1 / denominator, counted over all trees of the update (`weigh`), so neither
the size of micro-batches nor the number of ranks changes the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from rayrl.config import ObjectiveSettings
from rayrl.learner.batch import Batch, Segment, Tree
from rayrl.learner.metrics import MetricSums

Normalizer = Literal["token", "sequence", "constant"]
Loss = Callable[[torch.Tensor, Batch], tuple[torch.Tensor, MetricSums]]

STD_FLOOR = 1e-4  # added to a group's standard deviation, as in GRPO's common implementations


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss and what its sum is divided by."""

    loss: Loss
    normalizer: Normalizer
    max_tokens: int = 0  # longest completion; the constant normaliser's length
    by_advantage: bool = False  # the loss is proportional to advantages: a tree without any has no gradient


def grpo_objective(settings: ObjectiveSettings, max_tokens: int) -> Objective:
    """GRPO in the variant that `settings` name. `max_tokens` is the longest completion the sampler may make."""
    settings = settings.resolved()
    assert settings.normalizer is not None

    def loss(logprobs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, MetricSums]:
        return policy_loss(logprobs, batch, settings)

    return Objective(loss, settings.normalizer, max_tokens, by_advantage=True)


def sft_objective(normalizer: Literal["token", "sequence"] = "token") -> Objective:
    """Cross-entropy of the tokens that bear a loss."""
    return Objective(sft_loss, normalizer)


def group_advantages(rewards: Sequence[float | None], scale_by_std: bool) -> list[float]:
    """Rewards less their group's mean, over its sample standard deviation if asked (arXiv:2402.03300, eq. 4).

    None (no reward) counts in neither and gets 0; the caller leaves such completions out of the tree.
    """
    known = [reward for reward in rewards if reward is not None]
    mean = sum(known) / len(known) if known else 0.0
    scale = 1.0
    if scale_by_std:
        variance = sum((reward - mean) ** 2 for reward in known) / max(1, len(known) - 1)
        scale = variance**0.5 + STD_FLOOR
    return [0.0 if reward is None else (reward - mean) / scale for reward in rewards]


def weigh(trees: Sequence[Tree], normalizer: Normalizer, max_tokens: int = 0) -> list[Tree]:
    """The trees with each segment's token weight set, for an update over exactly these trees.

    A sequence is a segment with a loss token. token: 1 / loss tokens; sequence: 1 / (sequences x its loss tokens);
    constant: 1 / (sequences x max_tokens) (arXiv:2503.20783).

    Raises:
        ValueError: The constant normaliser without a positive `max_tokens`.
    """
    if normalizer == "constant" and max_tokens < 1:
        raise ValueError(f"the constant normaliser needs max_tokens of at least 1, got {max_tokens}")
    tokens = sum(tree.loss_tokens for tree in trees)
    sequences = sum(segment.loss_tokens > 0 for tree in trees for segment in tree.segments)

    def weight(segment: Segment) -> float:
        own = segment.loss_tokens
        if not own:
            return 0.0
        return 1.0 / {"token": tokens, "sequence": sequences * own, "constant": sequences * max_tokens}[normalizer]

    return [Tree([replace(segment, weight=weight(segment)) for segment in tree.segments]) for tree in trees]


def policy_loss(logprobs: torch.Tensor, batch: Batch, settings: ObjectiveSettings) -> tuple[torch.Tensor, MetricSums]:
    """-sum of weight x w x min(r A, clip(r, 1 - clip_low, 1 + clip_high) A): PPO's clipped surrogate.

    r is the ratio to the learner before this step's first update (`batch.old_logprobs`; None: these very
    log-probabilities, so r is 1 and only its gradient is left). w = min(learner / generator, cap), without gradient,
    corrects for the sampler's numerics (truncated importance sampling).

    Args:
        logprobs: [K] of the targets, in nats.
        batch: Needs generator_logprobs.
        settings: Resolved (`ObjectiveSettings.resolved`).

    Raises:
        ValueError: The batch has targets and no generator_logprobs.
    """
    assert settings.clip_high is not None
    if batch.generator_logprobs is None and len(batch.targets):
        raise ValueError("policy_loss needs the generator's log-probability of every target")
    old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
    generator = old if batch.generator_logprobs is None else batch.generator_logprobs
    importance = torch.exp(old - generator)
    capped = importance if settings.importance_cap is None else importance.clamp(max=settings.importance_cap)
    factor = torch.ones_like(old) if settings.importance_cap is None else capped
    ratio = torch.exp(logprobs - old)
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    surrogate = torch.minimum(ratio * batch.advantages, clipped * batch.advantages)
    loss = -(batch.weights * factor * surrogate).sum()

    metrics = MetricSums()
    # Where the clip decides, the surrogate lies below the unclipped one.
    metrics.mean("policy/clip_frac", surrogate < ratio * batch.advantages)
    metrics.mean("sync/logprob_diff_mean", (old - generator).abs())
    metrics.maximum("sync/logprob_diff_max", (old - generator).abs())
    metrics.mean("policy/importance_weight_mean", capped)
    metrics.mean("policy/importance_capped_frac", capped < importance)
    return loss, metrics


def sft_loss(logprobs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, MetricSums]:
    """-sum of weight x logprob, [K] in nats."""
    metrics = MetricSums()
    metrics.mean("sft/token_loss_mean", -logprobs)
    return -(batch.weights * logprobs).sum(), metrics
