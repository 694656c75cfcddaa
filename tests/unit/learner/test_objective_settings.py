"""Every setting of the objective does something, and those that cannot at one update a step are named."""

from typing import Any, get_args

import pytest
import torch

from rayrl.actors.admission import StepBatch
from rayrl.config import GRPOConfig, ObjectiveSettings
from rayrl.learner.batch import make_batch, with_logprobs
from rayrl.learner.objectives import weigh
from rayrl.train.grpo import Rollouts
from rayrl.types import Prompt, Rollout, RolloutGroup

OTHERS: dict[str, list[Any]] = {
    "scale_by_std": [True],
    "clip_low": [0.05],
    "clip_high": [0.05],
    "mask_truncated": [True],
    "importance_cap": [1.1, None],
    "importance_mask": [(0.9, 1.1)],
    "geometric_mask": [(0.99, 1.01)],
    "kl_coefficient": [0.3],
}
"""Values that differ from the default, for settings whose type does not list them."""
PARTS = [
    field for field in ObjectiveSettings.model_fields if field not in ("name", "importance_cap", "importance_mask")
]


def others(field: str) -> list[Any]:
    annotation = ObjectiveSettings.model_fields[field].annotation
    listed = [value for part in (annotation, *get_args(annotation)) for value in get_args(part)]
    listed = [value for value in listed if isinstance(value, str)]
    assert listed or field in OTHERS, f"objective.{field} is new: name a value in OTHERS that must change the loss"
    return listed or OTHERS[field]


def groups() -> list[RolloutGroup]:
    """Two prompts with completions of uneven length, one of them cut off, rewards that differ."""
    torch.manual_seed(0)
    found = []
    for index, lengths in enumerate([(4, 2, 5), (3, 6, 1)]):
        rollouts = [
            Rollout("", [1] * n, (-torch.rand(n) * 3).tolist(), [0] * n, "length" if n == 5 else "stop")
            for n in lengths
        ]
        found.append(RolloutGroup(Prompt(str(index), "", [0, 2], {}), rollouts, [1.0, 0.0, 0.25 + index / 8]))
    return found


def outcome(given: dict[str, Any], later: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss, and gradient at each of the 21 tokens: of a step's later update, or of its only one.

    From rewards to the loss as in a run (`Rollouts`); the policies are drawn, a third of a nat apart.
    """
    config = GRPOConfig.model_validate(
        {
            "model": {"path": "x"},
            "train_data": {"source": "x"},
            "eval_data": {"source": "y"},
            "rewards": [{"function": "maths"}],
            "sampling": {"max_tokens": 8},
            "objective": given,
            "steps": 1,
            "prompts_per_step": 2,
            "group_size": 3,
        }
    )
    source = Rollouts(config, lambda _step: StepBatch(groups(), 0.0, 0.0))
    trees = source.take(0).updates[0]
    objective = source.objective
    trees = weigh(trees, objective.normalizer, objective.max_tokens)
    # The same token has the same draw, whether or not others are left out.
    positions: list[int] = []
    every = [(tuple(r.logprobs), r) for group in groups() for r in group.rollouts]
    starts = {key: sum(len(r.token_ids) for _, r in every[:place]) for place, (key, _) in enumerate(every)}
    for segment in (segment for tree in trees for segment in tree.segments[1:]):
        start = starts[tuple(segment.generator_logprobs)]
        positions += range(start, start + len(segment.token_ids))
    torch.manual_seed(1)
    generator = torch.tensor([value for _, rollout in every for value in rollout.logprobs])
    old, new, base = (generator + torch.randn(3, len(generator)).cumsum(0) / 3)[:, positions]

    def each(values: torch.Tensor) -> list[list[float]]:
        return [part.tolist() for part in values.split([tree.loss_tokens for tree in trees])]

    if later:
        trees = with_logprobs(trees, each(old), "old_logprobs")
    if objective.reference:
        trees = with_logprobs(trees, each(base), "reference_logprobs")
    logprobs = (new if later else old).clone().requires_grad_()
    loss, _ = objective.loss(logprobs, make_batch(trees, list(range(len(trees)))))
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = torch.zeros(len(generator))
    gradient[positions] = logprobs.grad
    return loss.detach(), gradient


@pytest.mark.parametrize("field", ObjectiveSettings.model_fields)
def test_every_setting_changes_the_gradient(field: str) -> None:
    """Each value against each other: none of them stands for nothing."""
    default = ObjectiveSettings().resolved()
    values = list(dict.fromkeys([getattr(default, field), *others(field)]))
    assert len(values) > 1
    found = [outcome({field: value}, later=True) for value in values]
    for place, (_, gradient) in enumerate(found):
        for other, (_, another) in zip(values[:place], found[:place], strict=True):
            assert not torch.allclose(gradient, another, rtol=1e-4), (field, other, values[place])


@pytest.mark.parametrize("corrected", [{}, {"importance_cap": None}, {"importance_mask": (0.7, 1.5)}], ids=str)
@pytest.mark.parametrize("field", PARTS)
def test_what_cannot_act_at_one_update_a_step_is_what_is_named(field: str, corrected: dict[str, Any]) -> None:
    default = ObjectiveSettings.model_validate(corrected).resolved()
    _, gradient = outcome(corrected, later=False)
    acts = False
    for value in others(field):
        if value == getattr(default, field):
            continue
        given = corrected | {field: value}
        acts = not torch.allclose(outcome(given, later=False)[1], gradient, rtol=1e-4)
        settings = ObjectiveSettings.model_validate(given)
        assert settings.idle(updates_per_step=1) == ([] if acts else [field])
        assert settings.idle(updates_per_step=4) == []
    assert acts == (field not in ("surrogate", "clip_low", "clip_high", *(["ratio"] * ("importance_cap" in corrected))))


def test_a_default_that_cannot_act_is_not_named() -> None:
    assert ObjectiveSettings(name="gspo").idle(1) == []
    assert ObjectiveSettings(name="gspo", clip_low=0.1, surrogate=None).idle(1) == ["clip_low"]
