import math
import statistics
from typing import Any

import pytest
import torch

from rayrl.config import LearnerSettings, ObjectiveSettings
from rayrl.learner.batch import Batch, Segment, Tree, make_batch
from rayrl.learner.objectives import STD_FLOOR, group_advantages, grpo_objective, policy_loss, sft_loss, weigh
from rayrl.learner.schedule import learning_rate

from .conftest import make_trees


def objective(**settings: Any) -> ObjectiveSettings:
    return ObjectiveSettings(**settings).resolved()


@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
@pytest.mark.parametrize("scale", [False, True])
def test_advantages_are_the_formula(baseline: str, scale: bool) -> None:
    settings = objective(baseline=baseline, scale_by_std=scale)
    rewards = [1.0, 0.0, None, 0.5]
    expected = []
    for index, reward in enumerate(rewards):
        others = [r for at, r in enumerate(rewards) if r is not None and (baseline == "mean" or at != index)]
        expected.append(0.0 if reward is None else reward - statistics.fmean(others))
    divisor = statistics.stdev([1.0, 0.0, 0.5]) + STD_FLOOR if scale else 1.0
    assert group_advantages(rewards, settings) == pytest.approx([value / divisor for value in expected])
    assert group_advantages([None, None], settings) == [0.0, 0.0]
    assert group_advantages([1.0, 1.0], settings) == [0.0, 0.0]
    assert group_advantages([1.0, None], settings) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("dr_grpo", ("mean", False, "token", "constant", 0.2, 0.2, False)),
        ("grpo", ("mean", True, "token", "sequence", 0.2, 0.2, False)),
        ("dapo", ("mean", True, "token", "token", 0.2, 0.28, True)),
        ("gspo", ("mean", True, "sequence", "sequence", 3e-4, 4e-4, False)),
        ("rloo", ("leave_one_out", False, "token", "constant", 0.2, 0.2, False)),
        ("cispo", ("mean", True, "token", "token", 1.0, 4.0, False)),
    ],
)
def test_presets_are_named_parts_that_can_be_replaced(name: str, parts: tuple[object, ...]) -> None:
    fields = ("baseline", "scale_by_std", "ratio", "normalizer", "clip_low", "clip_high", "mask_truncated")
    settings = objective(name=name)
    assert tuple(getattr(settings, field) for field in fields) == parts
    assert (settings.kl_coefficient, settings.importance_cap) == (0.0, 2.0)
    assert settings.surrogate == ("cispo" if name == "cispo" else "ppo")
    assert objective(name=name, baseline="leave_one_out", clip_low=0.5).baseline == "leave_one_out"
    assert objective(name=name, clip_low=0.5).clip_low == 0.5


@pytest.mark.parametrize("normalizer", ["token", "sequence", "constant"])
def test_weights_sum_to_what_the_normalizer_says(normalizer: str) -> None:
    trees = make_trees()
    weighed = weigh(trees, normalizer, max_tokens=10)  # type: ignore[arg-type]
    segments = [segment for tree in weighed for segment in tree.segments if segment.loss_tokens]
    total = sum(segment.weight * segment.loss_tokens for segment in segments)
    tokens = sum(segment.loss_tokens for segment in segments)
    assert total == pytest.approx(1.0 if normalizer != "constant" else tokens / (10 * len(segments)))
    if normalizer == "sequence":
        assert {round(s.weight * s.loss_tokens * len(segments), 9) for s in segments} == {1.0}


@pytest.mark.parametrize("normalizer", ["token", "sequence", "constant"])
def test_a_loss_that_rows_share_weighs_as_in_each_of_them(normalizer: str) -> None:
    shared = Tree([Segment([1, 2, 3], [False, True, True]), Segment([4], [True], 0), Segment([5, 6], [True] * 2, 0)])
    plain = [
        Tree([Segment([1, 2, 3, 4], [False] + [True] * 3)]),
        Tree([Segment([1, 2, 3, 5, 6], [False] + [True] * 4)]),
    ]
    first, second = (tree.segments[0].weight for tree in weigh(plain, normalizer, 9))  # type: ignore[arg-type]
    weights = [segment.weight for segment in weigh([shared], normalizer, 9)[0].segments]  # type: ignore[arg-type]
    assert weights == pytest.approx([first + second, first, second])


def test_the_constant_normalizer_needs_a_length() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        weigh(make_trees(), "constant", 0)


def batch_of(old: bool, reference: bool = False, length: int = 1) -> tuple[torch.Tensor, Batch]:
    """40 targets in sequences of `length`, far enough apart that clips, caps and divergences all happen."""
    torch.manual_seed(0)
    k = 40
    generator = (-torch.rand(k) * 4).tolist()
    previous = (torch.tensor(generator) + torch.randn(k)).tolist()
    base = (-torch.rand(k) * 4).tolist()
    segments = [Segment([0], [False])]
    for i in range(0, k, length):
        own = slice(i, i + length)
        lists = (generator[own], previous[own] if old else None, base[own] if reference else None)
        segments.append(
            Segment([1] * length, [True] * length, 0, (-1.0) ** (i // length) * (1 + i / k), *lists, (i + 1) / k)
        )
    logprobs = (torch.tensor(previous) + 0.5 * torch.randn(k)).requires_grad_()
    return logprobs, make_batch([Tree(segments)], [0])


@pytest.mark.parametrize("surrogate", ["ppo", "cispo"])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("cap", [1.5, None])
@pytest.mark.parametrize("old", [True, False])
def test_policy_loss_is_the_formula(old: bool, cap: float | None, beta: float, ratio: str, surrogate: str) -> None:
    """Against float64, token by token, each clip and cap decided by comparisons."""
    length = 4
    logprobs, batch = batch_of(old, beta > 0, length)
    parts = {"importance_cap": cap, "kl_coefficient": beta, "ratio": ratio, "surrogate": surrogate}
    settings = objective(clip_low=0.1, clip_high=0.15, **parts)
    loss, metrics = policy_loss(logprobs, batch, settings)
    loss.backward()

    x = logprobs.detach().double().requires_grad_()
    assert batch.generator_logprobs is not None
    generator = batch.generator_logprobs.double()
    before = batch.old_logprobs.double() if batch.old_logprobs is not None else x.detach()
    expected, low, high, divergences = torch.zeros((), dtype=torch.float64), 0, 0, []
    for i in range(len(x)):
        first = i // length * length
        own = range(first, first + length) if ratio == "sequence" else range(i, i + 1)
        gap = math.prod(math.exp(float(before[j] - generator[j])) for j in own) ** (1 / len(own))
        factor = 1.0 if cap is None else min(gap, cap)
        moved = torch.stack([torch.exp(x[j] - before[j]) for j in own]).prod() ** (1 / len(own))
        advantage = float(batch.advantages[i])
        if surrogate == "cispo":
            term = min(max(moved.item(), 0.9), 1.15) * advantage * x[i]
            low, high = low + (moved.item() < 0.9), high + (moved.item() > 1.15)
        elif advantage > 0 and moved.item() > 1.15:
            term, high = torch.tensor(1.15 * advantage, dtype=torch.float64), high + 1
        elif advantage < 0 and moved.item() < 0.9:
            term, low = torch.tensor(0.9 * advantage, dtype=torch.float64), low + 1
        else:
            term = moved * advantage
        loss_here = -factor * term
        if batch.reference_logprobs is not None:
            odds = torch.exp(batch.reference_logprobs[i].double()) / torch.exp(x[i])
            divergence = odds - torch.log(odds) - 1
            divergences.append(divergence.item())
            loss_here = loss_here + beta * divergence
        expected = expected + float(batch.weights[i]) * loss_here
    expected.backward()
    torch.testing.assert_close(loss.detach().double(), expected.detach(), rtol=1e-5, atol=1e-6)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad.double(), x.grad, rtol=1e-5, atol=1e-6)
    values = metrics.reduce()
    assert values["policy/clip_frac"] == pytest.approx((low + high) / len(x))
    assert values["policy/clip_low_frac"] == pytest.approx(low / len(x))
    assert values["policy/clip_high_frac"] == pytest.approx(high / len(x))
    assert (low + high > 0) == old
    assert ("policy/kl_to_base_mean" in values) == (beta > 0)
    if divergences:
        assert values["policy/kl_to_base_mean"] == pytest.approx(statistics.fmean(divergences), rel=1e-5)
    gaps = (before - generator).abs()
    assert values["sync/logprob_diff_mean"] == pytest.approx(float(gaps.mean()), rel=1e-5)
    assert values["sync/logprob_diff_max"] == pytest.approx(float(gaps.max()), rel=1e-5)


@pytest.mark.parametrize("name", ["dr_grpo", "grpo", "dapo", "gspo", "rloo", "cispo"])
def test_each_objective_is_its_papers_sum_over_sequences(name: str) -> None:
    """From rewards to the loss, in float64 and over whole sequences, on-policy up to a known step away."""
    torch.manual_seed(1)
    lengths, longest = [3, 5, 2, 4], 6
    rewards, truncated = [1.0, 0.0, 0.25, 1.0], [False, False, True, False]
    settings = objective(name=name, importance_cap=None)
    keep = [not (settings.mask_truncated and cut) for cut in truncated]
    old = [(-torch.rand(n) * 3).tolist() for n in lengths]
    apart = 2 if name == "cispo" else 0.3  # far enough for its clip
    new = [[value + apart * torch.randn(()).item() for value in values] for values in old]
    moved = [b - a for own, other in zip(old, new, strict=True) for a, b in zip(own, other, strict=True)]
    assert name != "cispo" or max(moved) > math.log(5)
    advantages = group_advantages(rewards, settings)
    segments = [Segment([0], [False])]
    for own, advantage, kept in zip(old, advantages, keep, strict=True):
        if kept:
            segments.append(Segment([1] * len(own), [True] * len(own), 0, advantage, own, own))
    policy = grpo_objective(settings, longest)
    batch = make_batch(weigh([Tree(segments)], policy.normalizer, policy.max_tokens), [0])
    flat = [value for values, kept in zip(new, keep, strict=True) if kept for value in values]
    loss, _ = policy.loss(torch.tensor(flat), batch)

    sums, used = [], [i for i in range(4) if keep[i]]
    deviation = statistics.stdev(rewards) + STD_FLOOR
    for i in used:
        mean, others = statistics.fmean(rewards), statistics.fmean(rewards[:i] + rewards[i + 1 :])
        advantage = {"rloo": rewards[i] - others, "dr_grpo": rewards[i] - mean}.get(
            name, (rewards[i] - mean) / deviation
        )
        ratios = [math.exp(a - b) for a, b in zip(new[i], old[i], strict=True)]
        low, high = {"gspo": (1 - 3e-4, 1 + 4e-4), "dapo": (0.8, 1.28)}.get(name, (0.8, 1.2))
        if name == "gspo":
            ratios = [math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))]
        if name == "cispo":
            sums.append([min(r, 5) * advantage * value for r, value in zip(ratios, new[i], strict=True)])
        else:
            sums.append([min(r * advantage, min(max(r, low), high) * advantage) for r in ratios])
    if name in ("grpo", "gspo"):
        expected = statistics.fmean(statistics.fmean(values) for values in sums)
    elif name in ("dapo", "cispo"):
        expected = sum(map(sum, sums)) / sum(lengths[i] for i in used)
    else:
        expected = sum(map(sum, sums)) / (len(used) * longest)
    assert float(loss) == pytest.approx(-expected, rel=1e-5)


def test_policy_loss_needs_the_generators_logprobs() -> None:
    batch = make_batch([Tree([Segment([0], [False]), Segment([1], [True], 0)])], [0])
    with pytest.raises(ValueError, match="generator"):
        grpo_objective(ObjectiveSettings(), 4).loss(torch.zeros(1), batch)
    _, batch = batch_of(old=False)
    with pytest.raises(ValueError, match="reference"):
        policy_loss(torch.zeros(40), batch, objective(kl_coefficient=0.1))


def test_sft_loss_is_weighted_cross_entropy() -> None:
    logprobs, batch = batch_of(False)
    loss, metrics = sft_loss(logprobs, batch)
    torch.testing.assert_close(loss, -(batch.weights * logprobs).sum())
    assert metrics.reduce()["sft/token_loss_mean"] == pytest.approx(-float(logprobs.detach().mean()), rel=1e-5)


def test_schedules() -> None:
    def rates(schedule: str) -> list[float]:
        settings = LearnerSettings(learning_rate=1.0, warmup_fraction=0.2, schedule=schedule)  # type: ignore[arg-type]
        return [learning_rate(update, 10, settings) for update in range(10)]

    assert rates("constant") == [0.5] + [1.0] * 9
    assert rates("linear")[:3] == [0.5, 1.0, 1.0]
    assert rates("linear")[-1] == pytest.approx(1 / 8)
    assert rates("cosine")[6] == pytest.approx(0.5)
