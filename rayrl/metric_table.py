"""Every figure that metrics.jsonl may hold: its name, unit and meaning. docs/metrics.md is made from this table."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from rayrl.types import STATUSES


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a step's or an evaluation's record.

    name: As it is logged. A part in braces stands for names of the run's own, such as a benchmark's.
    unit: `share` is in 0..1; `none`: a number without a unit.
    over_updates: How the optimizer updates of one step become one figure.
    """

    name: str
    unit: str
    meaning: str
    over_updates: Literal["mean", "sum", "max"] = "mean"

    def matches(self, name: str) -> bool:
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(self.name))
        return re.fullmatch(pattern, name) is not None


STEP = (
    Metric("reward/mean", "reward", "Mean over the step's completions that have a reward."),
    Metric("reward/ci_low", "reward", "Lower end of the 95 % interval of the mean (Student's t over group means)."),
    Metric("reward/ci_high", "reward", "Upper end of that interval."),
    Metric("reward/std", "reward", "Standard deviation over completions."),
    Metric("reward/none_frac", "share", "Completions without a reward: none is learned from."),
    Metric("reward/{name}", "reward", "Mean of one reward function, before its weight."),
    Metric("group/zero_variance_frac", "share", "Groups in which all earned the same: they give no gradient."),
    Metric("groups/sampled", "groups", "That came back since the run began: those trained on, replaced or waiting."),
    Metric("groups/trained", "groups", "Trained on since the run began, this step's included."),
    Metric("groups/no_signal", "groups", "All completions earned the same: replaced (`dynamic_sampling`), since then."),
    Metric("groups/stale", "groups", "Too old for their step: replaced (`stale_groups: drop`), since then."),
    Metric("groups/waiting", "groups", "Back, and kept for later steps."),
    Metric("groups/skipped", "prompts", "Draws that `difficulty_filter` passed over, since then."),
    Metric("generate/completion_tokens", "tokens", "Tokens of all completions of the step."),
    Metric("generate/mean_tokens", "tokens", "Mean length of a completion."),
    Metric("generate/truncated_frac", "share", "Completions cut at `sampling.max_tokens`."),
    Metric("generate/masked_truncated", "completions", "Those left out of the loss (`objective.mask_truncated`)."),
    Metric("generate/tokens_per_s", "tokens/s", "Tokens of the step over the time that generating it took."),
    Metric("verify/{status}_frac", "share", f"Completions with this verdict: {', '.join(STATUSES)}."),
    Metric("verify/latency_mean_s", "s", "Mean time from a group's last token to its verdicts."),
    Metric("data/examples", "examples", "SFT: examples of the step."),
    Metric("data/tokens", "tokens", "SFT: their tokens, prompts included."),
    Metric("data/epoch", "epochs", "SFT: passes over the data so far."),
    Metric("train/loss", "none", "The loss that is minimized; SFT: nats per learned token."),
    Metric("train/grad_norm", "none", "L2 norm of the gradient of all trained weights, before clipping."),
    Metric("train/learning_rate", "none", "Learning rate of the update."),
    Metric("train/packed_tokens", "tokens",
           "Tokens that went through the model. Packed: rows without padding, one behind the other, and a "
           "shared prompt once a tree.", "sum"),
    Metric("train/loss_tokens", "tokens", "Tokens that the loss is taken over.", "sum"),
    Metric("train/microbatches", "batches", "Micro-batches of each rank.", "sum"),
    Metric("train/skipped_updates", "updates", "Updates left out: no loss token, or an infinite gradient.", "sum"),
    Metric("sft/token_loss_mean", "nats", "SFT: mean cross-entropy of a learned token, whatever the normalizer."),
    Metric("policy/entropy_mean", "nats", "Mean entropy of the policy's distribution at a learned token."),
    Metric("policy/top{k}_frac", "share", "Learned tokens that are among the k most likely ones (k = 1, 10)."),
    Metric("policy/clip_frac", "share",
           "Tokens for which the clip decides the minimum in the loss, so that they give no gradient; cispo: "
           "whose ratio is clipped. Always 0 at `updates_per_step` 1, where the ratio is 1."),
    Metric("policy/clip_low_frac", "share", "Of all tokens, those clipped at the lower bound."),
    Metric("policy/clip_high_frac", "share", "Of all tokens, those clipped at the upper bound."),
    Metric("policy/kl_to_base_mean", "nats", "KL from the base, k3 estimate (with `objective.kl_coefficient`)."),
    Metric("policy/importance_weight_mean", "none", "Mean weight that corrects for the generator, as used."),
    Metric("policy/importance_capped_frac", "share", "Tokens whose weight is above `objective.importance_cap`."),
    Metric("policy/importance_masked_frac", "share", "Tokens whose weight a mask has set to 0."),
    Metric("policy/staleness_mean", "updates", "Updates by which the sampling policy was behind the learner, mean."),
    Metric("policy/staleness_max", "updates", "The largest of these.", "max"),
    Metric("sync/logprob_diff_mean", "nats", "Mean |learner - generator| of the same tokens' log-probabilities."),
    Metric("sync/logprob_diff_max", "nats", "The largest of these.", "max"),
    Metric("sync/ratio_mean", "none", "Mean of the learner's over the generator's probability; 1 where they agree."),
    Metric("sync/k3_kl_mean", "nats", "KL(generator || learner), k3 estimate."),
    Metric("sync/chi_square", "none", "Mean of the squared ratio less 1: the variance of the weights."),
    Metric("sync/effective_sample_frac", "share", "Share of the tokens that as many equal weights are worth (Kish)."),
    Metric("time/generate_s", "s", "From the first prompt sent to the last token sampled."),
    Metric("time/verify_s", "s", "From the last token sampled to the last verdict."),
    Metric("time/wait_s", "s", "The learner's wait for the step's data."),
    Metric("time/train_s", "s", "The step's updates."),
    Metric("time/sync_s", "s", "Sending the new weights to the generators."),
    Metric("time/step_s", "s", "The whole step: waiting, training and syncing."),
    Metric("memory/peak_gb", "GB",
           "The first rank's peak since its start. On CPU resident memory (RSS) beyond what the process held "
           "before the model; on a GPU what PyTorch allocated there."),
    Metric("memory/estimate_gb", "GB", "The estimate of it from before the run."),
)  # fmt: skip

_EVALUATION = (
    (
        "correct",
        "items",
        "Items with a score of 1 or more; of an item with several samples, the share of them that has.",
    ),
    ("total", "items", "Items that could be scored."),
    ("unscored", "completions", "Completions that could not."),
    ("accuracy", "share", "Correct over scored items."),
    ("accuracy_finished", "share", "The same over completions that were not cut off."),
    ("truncated_frac", "share", "Completions cut off at the set's `max_tokens`."),
    ("mean_tokens", "tokens", "Mean length of a completion."),
    ("avg@{n}", "share", "With n > 1 samples an item: the accuracy, by its usual name."),
    ("pass@{k}", "share", "Chance that at least one of k samples is correct: unbiased, mean over items."),
    ("maj@{k}", "share", "Chance that the answer most given among k samples is correct; of a tie, each alike."),
    ("recall", "share", "Retrieval: share of the evidence's pages that it found, over items where that is known."),
    ("reward/{reward}", "reward", "With several reward functions: mean of each, before its weight."),
    ("{share}_ci_low", "share", "Lower end of the 95 % interval of any of these shares, over items."),
    ("{share}_ci_high", "share", "Upper end of that interval."),
)

EVALUATION = (
    *(Metric(f"benchmark/{{name}}/{figure}", unit, meaning) for figure, unit, meaning in _EVALUATION),
    *(Metric(f"eval/{figure}", unit, f"The same of `held_out`: {meaning[0].lower()}{meaning[1:]}")
      for figure, unit, meaning in _EVALUATION),
    Metric("benchmark/{name}/truncated", "prompts", "lm_eval: contexts that were cut at `max_length`."),
    Metric("benchmark/{name}/lm_eval/{metric}", "none",
           "lm_eval: a metric with its filter, such as `acc,none`, as lm-evaluation-harness aggregates it; of the "
           "tasks of a group also each one's, with its name before."),
    Metric("time/evaluate_s", "s", "The evaluation of all benchmarks."),
)  # fmt: skip

_EXACT = {metric.name: metric for metric in STEP + EVALUATION if "{" not in metric.name}
_OPEN = [metric for metric in STEP + EVALUATION if "{" in metric.name]


@cache
def find_metric(name: str) -> Metric:
    """The metric that is logged under `name`. Raises ValueError where there is none."""
    found = _EXACT.get(name) or next((metric for metric in _OPEN if metric.matches(name)), None)
    if found is None:
        raise ValueError(f"no metric is called {name!r}; rayrl/metric_table.py and docs/metrics.md list them")
    return found
