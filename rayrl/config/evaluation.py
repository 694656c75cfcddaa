"""`evaluation` and `benchmarks`: what a run evaluates, when, and how it samples for it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rayrl.config.data import DatasetSettings, PromptSettings
from rayrl.config.rewards import Rewards, RewardSettings
from rayrl.config.settings import Settings


class EvalSettings(Settings):
    at_start: bool = True
    """Evaluate before the first step."""
    every_steps: int = Field(0, ge=0)
    """Evaluation every so many steps, beside that after the last; 0: after the last only."""
    temperature: float = Field(0.0, ge=0)
    """Sampling of held-out completions; 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of held-out completions."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest held-out completion, in tokens; None: as in rollouts, in SFT and `rayrl eval` 256."""
    samples: int = Field(1, ge=1, le=4096)
    """Completions of each item, each with a seed of its own. Above 1 the temperature must be above 0."""
    k: list[Annotated[int, Field(ge=1)]] | None = None
    """The k of pass@k and maj@k, where there are several samples. None: 1, 2, 4, … up to all."""


class BenchmarkSettings(Settings):
    """Problems that are evaluated beside the held-out ones, asked and scored in a way of their own."""

    data: DatasetSettings
    prompt: PromptSettings = PromptSettings()
    rewards: Rewards = Field([RewardSettings(function="maths")])
    """As in the run; the first that is a verifier scores."""
    temperature: float | None = Field(None, ge=0)
    """Of its completions; None: as in `evaluation`."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Of its completions; None: as in `evaluation`."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest completion, in tokens; None: as in `evaluation`."""
    samples: int | None = Field(None, ge=1, le=4096)
    """Completions of each item; None: as in `evaluation`."""
    k: list[Annotated[int, Field(ge=1)]] | None = None
    """The k of pass@k and maj@k; None: as in `evaluation`."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """One set of problems that a run evaluates, with nothing left open."""

    name: str
    field: str
    """Of the config, for messages."""
    data: DatasetSettings
    prompt: PromptSettings
    rewards: list[RewardSettings]
    temperature: float
    top_p: float
    max_tokens: int
    samples: int = 1
    k: tuple[int, ...] = (1,)
    """Of pass@k and maj@k, in rising order."""


HELD_OUT = "held_out"
"""Name of the set that is `eval_data`."""
