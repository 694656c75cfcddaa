"""How far the generator is from the learner, and what is done about it.

They are one policy in two programs: kernels and rounding differ, and with `max_staleness` weights do too. Of each
sampled token, gap = log learner - log generator, where the learner is the one before the step's first update (the
proximal policy of AReaL's decoupled objective, arXiv:2505.24298): what later updates of the step change is the policy
ratio's matter (`objectives.policy_loss`). k = exp(gap) is the importance weight; over what the generator samples its
mean is 1.
"""

import torch

from rayrl.config import ObjectiveSettings
from rayrl.learner.batch import Batch
from rayrl.learner.metrics import MetricSums


def importance_weights(
    gaps: torch.Tensor, batch: Batch, settings: ObjectiveSettings
) -> tuple[torch.Tensor, MetricSums]:
    """The factor of each target's surrogate, [K] without gradient, and what was capped and masked.

    With the sequence ratio, k is the geometric mean over the sequence. The factor is one of
    - `importance_cap` c: min(k, c), truncated importance sampling (Yao et al. 2025, fengyao.notion.site/off-policy-rl);
    - `importance_mask` [a, b]: k where a <= k <= b, else 0: IcePop (arXiv:2510.18855, section 2.3.2);
    - neither: 1;
    and, with `geometric_mask` [a, b], 0 at every token of a sequence whose exp(mean gap) lies outside it (Liu, Li et
    al. 2025, richardli.xyz/rl-collapse; verl's seq_mean_k1). What is masked still counts in the loss's denominator.

    Args:
        gaps: [K] log-probability of the learner before the step's first update less the generator's, in nats.
        batch: Whose targets they are of.
        settings: Resolved (`ObjectiveSettings.resolved`).
    """
    means = batch.sequence_means(gaps)
    ratios = torch.exp(gaps if settings.ratio == "token" else means)
    factor = torch.ones_like(ratios)
    if settings.importance_mask is not None:
        factor = _within(ratios, settings.importance_mask, ratios)
    elif settings.importance_cap is not None:
        factor = ratios.clamp(max=settings.importance_cap)
    if settings.geometric_mask is not None:
        factor = _within(torch.exp(means), settings.geometric_mask, factor)
    metrics = MetricSums()
    metrics.mean("policy/importance_weight_mean", factor)
    metrics.mean("policy/importance_capped_frac", ratios > (settings.importance_cap or torch.inf))
    metrics.mean("policy/importance_masked_frac", factor == 0)
    return factor, metrics


def mismatch(gaps: torch.Tensor) -> MetricSums:
    """How far the learner is from the generator, over the tokens that the generator sampled.

    logprob_diff: |gap|. ratio_mean: of k, 1 but for sampling noise where both speak of one distribution.
    k3_kl_mean: of k - 1 - gap, an estimate of KL(generator || learner) that is never negative (Schulman 2020,
    joschu.net/blog/kl-approx.html). chi_square: mean of k² less 1, the weights' variance
    (below 0 where few tokens have a mean below 1).
    effective_sample_frac: (sum k)² / (K sum k²) (Kish 1965), the share of tokens that as many equal weights are worth.

    Args:
        gaps: [K] as for `importance_weights`.
    """
    ratios = torch.exp(gaps.double())  # whose squares float32 does not hold after a broken sync
    metrics = MetricSums()
    metrics.mean("sync/logprob_diff_mean", gaps.abs())
    metrics.maximum("sync/logprob_diff_max", gaps.abs())
    metrics.mean("sync/ratio_mean", ratios)
    metrics.mean("sync/k3_kl_mean", torch.expm1(gaps.double()) - gaps)
    metrics.mean("sync/chi_square", ratios.square() - 1)
    metrics.effective_share("sync/effective_sample_frac", ratios)
    return metrics


def _within(values: torch.Tensor, band: tuple[float, float], kept: torch.Tensor) -> torch.Tensor:
    """`kept` [K] where `values` [K] lie in the band, else 0."""
    low, high = band
    return torch.where((values >= low) & (values <= high), kept, 0.0)
