"""The settings of `rayrl sft`."""

from typing import ClassVar, Literal

from pydantic import Field

from rayrl.config.data import TargetSettings
from rayrl.config.run import RunSettings
from rayrl.config.training import TrainingConfig


class SFTConfig(TrainingConfig):
    """Everything `rayrl sft` needs."""

    command = "sft"

    run: RunSettings = RunSettings(name="sft")
    target: TargetSettings = TargetSettings()
    normalizer: Literal["token", "sequence"] = "token"
    """What the summed loss of an update is divided by: all loss tokens; or each example's tokens, then examples."""
    examples_per_step: int = Field(16, ge=1)
    """Examples of one update."""
    prompts_per_step: ClassVar[int] = 0
    """Nothing is sampled to train on."""
    max_staleness: ClassVar[int] = 0
    stale_groups: ClassVar[str] = "wait"
    replacements: ClassVar[int] = 0
    difficulty_filter: ClassVar[float] = 1.0
    steps: int = Field(0, ge=0)
    """Updates. 0: as many as `epochs` makes."""
    epochs: float = Field(1.0, ge=0)
    """Times that each example is seen, where `steps` is 0. 0: the model is evaluated only."""

    @property
    def step_in_words(self) -> str:
        return f"{self.examples_per_step} examples"
