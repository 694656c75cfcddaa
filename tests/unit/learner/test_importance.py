"""What is done about a generator that is not quite the learner, each part against its formula in float64."""

import math
import random
import statistics
from typing import Any

import pytest
import torch

from rayrl.config import ObjectiveSettings
from rayrl.learner.batch import Batch, Segment, Tree, make_batch
from rayrl.learner.importance import importance_weights, mismatch
from rayrl.learner.metrics import MetricSums, over_updates
from rayrl.learner.objectives import policy_loss

LENGTHS = (5, 1, 3, 8, 2)


def sequences(spread: float = 0.7) -> list[list[float]]:
    """Gaps learner - generator in nats, of sequences of LENGTHS tokens, the later the further apart."""
    generator = random.Random(3)
    return [
        [generator.gauss(0.1 * place, spread) for _ in range(length)] for place, length in enumerate(LENGTHS, start=1)
    ]


def batch_of(gaps: list[list[float]]) -> tuple[Batch, torch.Tensor]:
    """The batch and the learner's log-probabilities, [K]."""
    generator = random.Random(4)
    segments, learner = [Segment([0], [False])], []
    for place, own in enumerate(gaps):
        sampled = [-generator.uniform(1, 4) for _ in own]
        learner += [a + b for a, b in zip(sampled, own, strict=True)]
        ids, advantage = [1] * len(own), (-1.0) ** place * (1 + place)
        segments.append(Segment(ids, [True] * len(own), 0, advantage, sampled, weight=1 / (3 + place)))
    return make_batch([Tree(segments)], [0]), torch.tensor(learner)


def tis(k: float, mean: float) -> float:
    return min(k, 1.3)


def icepop(k: float, mean: float) -> float:
    return k if 0.6 <= k <= 1.8 else 0.0


def geometric(k: float, mean: float) -> float:
    return 1.0 if 0.8 <= math.exp(mean) <= 1.25 else 0.0


PARTS: dict[str, tuple[dict[str, Any], Any]] = {
    "none": ({"importance_cap": None}, lambda k, mean: 1.0),
    "truncated": ({"importance_cap": 1.3}, tis),
    "icepop": ({"importance_mask": (0.6, 1.8)}, icepop),
    "geometric": ({"importance_cap": None, "geometric_mask": (0.8, 1.25)}, geometric),
    "truncated_geometric": (
        {"importance_cap": 1.3, "geometric_mask": (0.8, 1.25)},
        lambda k, mean: tis(k, mean) * geometric(k, mean),
    ),
    "icepop_geometric": (
        {"importance_mask": (0.6, 1.8), "geometric_mask": (0.8, 1.25)},
        lambda k, mean: icepop(k, mean) * geometric(k, mean),
    ),
}


@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("part", PARTS)
def test_each_correction_is_its_formula(part: str, ratio: str) -> None:
    given, formula = PARTS[part]
    settings = ObjectiveSettings.model_validate(given | {"ratio": ratio}).resolved()
    gaps = sequences()
    batch, learner = batch_of(gaps)
    expected, ks = [], []
    for own in gaps:
        mean = math.fsum(own) / len(own)
        for gap in own:
            ks.append(math.exp(gap if ratio == "token" else mean))
            expected.append(formula(ks[-1], mean))
    assert batch.generator_logprobs is not None
    factor, metrics = importance_weights(learner - batch.generator_logprobs, batch, settings)
    torch.testing.assert_close(factor.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=0)

    values = metrics.reduce()
    assert values["policy/importance_weight_mean"] == pytest.approx(statistics.fmean(expected), rel=1e-5)
    capped = "truncated" in part
    assert values["policy/importance_capped_frac"] == sum(capped and k > 1.3 for k in ks) / len(ks)
    assert values["policy/importance_masked_frac"] == expected.count(0) / len(expected)
    assert ("icepop" in part or "geometric" in part) == (0 < expected.count(0) < len(expected))

    # In the loss: the gradient at each token is factor x advantage x weight, no more and no less.
    x = learner.clone().requires_grad_()
    loss, _ = policy_loss(x, batch, settings)
    loss.backward()
    assert x.grad is not None
    pushed = -factor * batch.advantages * batch.weights
    torch.testing.assert_close(x.grad, pushed if ratio == "token" else batch.sequence_means(pushed))


def test_the_mismatch_is_estimated_by_the_formulas() -> None:
    gaps = [gap for own in sequences() for gap in own]
    values = mismatch(torch.tensor(gaps)).reduce()
    k = [math.exp(gap) for gap in gaps]
    assert values == {
        "sync/logprob_diff_mean": pytest.approx(statistics.fmean(map(abs, gaps)), rel=1e-6),
        "sync/logprob_diff_max": pytest.approx(max(map(abs, gaps)), rel=1e-6),
        "sync/ratio_mean": pytest.approx(statistics.fmean(k), rel=1e-6),
        "sync/k3_kl_mean": pytest.approx(statistics.fmean(r - 1 - g for r, g in zip(k, gaps, strict=True)), rel=1e-6),
        "sync/chi_square": pytest.approx(statistics.fmean(r * r for r in k) - 1, rel=1e-6),
        "sync/effective_sample_frac": pytest.approx(sum(k) ** 2 / len(k) / sum(r * r for r in k), rel=1e-6),
    }


def test_the_mismatch_is_what_it_estimates() -> None:
    """Over samples of a known generator: k3 is KL(generator || learner), chi-square and the share follow from it."""
    torch.manual_seed(0)
    generator = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    learner = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    sampled = torch.multinomial(generator, 400_000, replacement=True)
    values = mismatch((learner.log() - generator.log())[sampled]).reduce()
    chi_square = float((learner.square() / generator).sum() - 1)
    assert values["sync/ratio_mean"] == pytest.approx(1, abs=2e-3)
    assert values["sync/k3_kl_mean"] == pytest.approx(float((generator * (generator / learner).log()).sum()), rel=2e-2)
    assert values["sync/chi_square"] == pytest.approx(chi_square, rel=3e-2)
    assert values["sync/effective_sample_frac"] == pytest.approx(1 / (1 + chi_square), rel=1e-2)


def test_a_broken_sync_still_has_finite_figures() -> None:
    values = mismatch(torch.tensor([90.0, -90.0])).reduce()
    assert all(math.isfinite(value) for value in values.values())
    assert values["sync/effective_sample_frac"] == pytest.approx(0.5)


def test_the_mismatch_does_not_depend_on_micro_batches() -> None:
    gaps = torch.tensor([gap for own in sequences() for gap in own])
    merged = MetricSums()
    for part in gaps.split([4, 0, 9, 6]):
        merged.merge(mismatch(part))
    whole = mismatch(gaps).reduce()
    assert merged.reduce() == pytest.approx(whole, rel=1e-12)
    assert set(mismatch(gaps[:0]).reduce()) == {"sync/logprob_diff_max"}, "nothing is said of no token"


def test_the_metrics_of_a_steps_updates_are_put_together() -> None:
    """Counts add up, so that a skipped update is seen; it has no figures to take part in a mean with."""
    skipped = {"train/skipped_updates": 1.0, "train/loss_tokens": 0.0}
    update = {
        "train/skipped_updates": 0.0,
        "train/loss_tokens": 30.0,
        "policy/clip_frac": 0.2,
        "sync/logprob_diff_max": 1.0,
    }
    other = update | {"train/loss_tokens": 12.0, "policy/clip_frac": 0.4, "sync/logprob_diff_max": 0.5}
    assert over_updates([update, skipped, other]) == {
        "train/skipped_updates": 1.0,
        "train/loss_tokens": 42.0,
        "policy/clip_frac": pytest.approx(0.3),
        "sync/logprob_diff_max": 1.0,
    }
    assert over_updates([update]) == update
    assert over_updates([]) == {}
