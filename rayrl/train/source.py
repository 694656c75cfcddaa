"""Where a step's training data comes from. It is all in which GRPO and SFT differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rayrl.learner.batch import Tree
from rayrl.learner.objectives import Objective


@dataclass(slots=True)
class StepWork:
    """What one step learns from."""

    updates: list[list[Tree]]
    """The trees of each optimizer update."""
    on_policy: bool
    """All of it was sampled by the weights that it first updates."""
    record: Callable[[], dict[str, Any]]
    """What goes into the step's record beside the learner's figures; called on the first rank."""


class Source(Protocol):
    """One kind of training."""

    objective: Objective
    needs_generators: bool
    """Every new version of the weights goes to the generators at once; else before evaluations only."""

    def take(self, step: int) -> StepWork:
        """The data of a step (0-based), the same on every rank."""
        ...
