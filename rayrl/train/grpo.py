"""GRPO: a step's groups of scored completions, from the coordinator."""

from collections.abc import Callable
from typing import Any

from rayrl.actors.admission import StepBatch
from rayrl.config import GRPOConfig
from rayrl.learner.batch import Tree, grpo_tree
from rayrl.learner.objectives import group_advantages, grpo_objective
from rayrl.train.source import StepWork
from rayrl.train.statistics import rollout_statistics


class Rollouts:
    """Groups of completions as trees, with their advantages."""

    needs_generators = True

    def __init__(self, config: GRPOConfig, take: Callable[[int], StepBatch]) -> None:
        self.config, self._take = config, take
        self.settings = config.objective.resolved()
        self.objective = grpo_objective(self.settings, config.sampling.max_tokens)

    def take(self, step: int) -> StepWork:
        batch = self._take(step)
        trees = [self._tree(group) for group in batch.groups]
        size = len(trees) // self.config.updates_per_step
        updates = [[tree for tree in trees[at : at + size] if tree] for at in range(0, len(trees), size)]
        rollouts = (rollout for group in batch.groups for rollout in group.rollouts)
        on_policy = all((rollout.policy_versions == step).all() for rollout in rollouts)
        return StepWork(updates, on_policy, lambda: rollout_statistics(batch, step, self.settings))

    def _tree(self, group: Any) -> Tree | None:
        """The group as the learner sees it; None where nothing in it can move the policy."""
        advantages = group_advantages(group.rewards, self.settings)
        keep = [
            reward is not None and not (self.settings.mask_truncated and rollout.finish_reason == "length")
            for reward, rollout in zip(group.rewards, group.rollouts, strict=True)
        ]
        return grpo_tree(group, advantages, keep) if any(keep) else None
