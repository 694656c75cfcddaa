import math
import statistics

import pytest
import torch

from rayrl.config import LearnerSettings, ObjectiveSettings
from rayrl.learner.batch import Batch, Segment, Tree, make_batch
from rayrl.learner.objectives import STD_FLOOR, group_advantages, grpo_objective, policy_loss, sft_loss, weigh
from rayrl.learner.schedule import learning_rate

from .conftest import make_trees


def test_advantages_are_centred_and_scaled() -> None:
    rewards = [1.0, 0.0, None, 0.5]
    known = [1.0, 0.0, 0.5]
    assert group_advantages(rewards, False) == pytest.approx([0.5, -0.5, 0.0, 0.0])
    scale = statistics.stdev(known) + STD_FLOOR
    assert group_advantages(rewards, True) == pytest.approx([0.5 / scale, -0.5 / scale, 0.0, 0.0])
    assert group_advantages([None, None], True) == [0.0, 0.0]
    assert group_advantages([1.0, 1.0], True) == [0.0, 0.0]


@pytest.mark.parametrize("normalizer", ["token", "sequence", "constant"])
def test_weights_sum_to_what_the_normaliser_says(normalizer: str) -> None:
    trees = make_trees()
    weighed = weigh(trees, normalizer, max_tokens=10)  # type: ignore[arg-type]
    segments = [segment for tree in weighed for segment in tree.segments if segment.loss_tokens]
    total = sum(segment.weight * segment.loss_tokens for segment in segments)
    tokens = sum(segment.loss_tokens for segment in segments)
    assert total == pytest.approx(1.0 if normalizer != "constant" else tokens / (10 * len(segments)))
    if normalizer == "sequence":
        assert {round(s.weight * s.loss_tokens * len(segments), 9) for s in segments} == {1.0}


def test_the_constant_normaliser_needs_a_length() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        weigh(make_trees(), "constant", 0)


def batch_of(old: bool) -> tuple[torch.Tensor, Batch]:
    torch.manual_seed(0)
    k = 40
    generator = (-torch.rand(k) * 4).tolist()
    previous = (torch.tensor(generator) + torch.randn(k)).tolist()
    segments = [Segment([0], [False])]
    segments += [
        Segment([1], [True], 0, (-1.0) ** i * (1 + i / k), [generator[i]], [previous[i]] if old else None, (i + 1) / k)
        for i in range(k)
    ]
    logprobs = (torch.tensor(previous) + 0.5 * torch.randn(k)).requires_grad_()
    return logprobs, make_batch([Tree(segments)], [0])


@pytest.mark.parametrize("cap", [2.0, None])
@pytest.mark.parametrize("old", [True, False])
def test_policy_loss_is_the_formula(old: bool, cap: float | None) -> None:
    logprobs, batch = batch_of(old)
    settings = ObjectiveSettings(clip_low=0.2, clip_high=0.3, importance_cap=cap).resolved()
    loss, metrics = policy_loss(logprobs, batch, settings)
    loss.backward()

    x = logprobs.detach().double().requires_grad_()
    assert batch.generator_logprobs is not None
    before = batch.old_logprobs.double() if batch.old_logprobs is not None else x.detach()
    expected, clips = torch.zeros((), dtype=torch.float64), 0
    for i in range(len(x)):
        gap = math.exp(float(before[i].detach() - batch.generator_logprobs[i].double()))
        factor = 1.0 if cap is None else min(gap, cap)
        ratio, advantage = torch.exp(x[i] - before[i]), float(batch.advantages[i])
        if advantage > 0 and ratio.item() > 1.3:
            term, clips = torch.tensor(1.3 * advantage, dtype=torch.float64), clips + 1
        elif advantage < 0 and ratio.item() < 0.8:
            term, clips = torch.tensor(0.8 * advantage, dtype=torch.float64), clips + 1
        else:
            term = ratio * advantage
        expected = expected - float(batch.weights[i]) * factor * term
    expected.backward()
    torch.testing.assert_close(loss.detach().double(), expected.detach(), rtol=1e-5, atol=1e-6)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad.double(), x.grad, rtol=1e-5, atol=1e-6)
    values = metrics.reduced()
    assert values["policy/clip_frac"] == pytest.approx(clips / len(x))
    assert (clips > 0) == old
    gaps = (before - batch.generator_logprobs.double()).abs()
    assert values["sync/logprob_diff_mean"] == pytest.approx(float(gaps.mean()), rel=1e-5)
    assert values["sync/logprob_diff_max"] == pytest.approx(float(gaps.max()), rel=1e-5)


def test_policy_loss_needs_the_generators_logprobs() -> None:
    batch = make_batch([Tree([Segment([0], [False]), Segment([1], [True], 0)])], [0])
    with pytest.raises(ValueError, match="generator"):
        grpo_objective(ObjectiveSettings(), 4).loss(torch.zeros(1), batch)


def test_sft_loss_is_weighted_cross_entropy() -> None:
    logprobs, batch = batch_of(False)
    loss, metrics = sft_loss(logprobs, batch)
    torch.testing.assert_close(loss, -(batch.weights * logprobs).sum())
    assert metrics.reduced()["sft/token_loss_mean"] == pytest.approx(-float(logprobs.detach().mean()), rel=1e-5)


def test_schedules() -> None:
    def rates(schedule: str) -> list[float]:
        settings = LearnerSettings(learning_rate=1.0, warmup_fraction=0.2, schedule=schedule)  # type: ignore[arg-type]
        return [learning_rate(update, 10, settings) for update in range(10)]

    assert rates("constant") == [0.5] + [1.0] * 9
    assert rates("linear")[:3] == [0.5, 1.0, 1.0]
    assert rates("linear")[-1] == pytest.approx(1 / 8)
    assert rates("cosine")[6] == pytest.approx(0.5)
