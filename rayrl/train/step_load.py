"""How many tokens a step samples and trains on, on average."""

from dataclasses import dataclass

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig


@dataclass(frozen=True, slots=True)
class StepLoad:
    """What a step samples and trains on; in SFT an example counts as a completion without a prompt."""

    prompts: int
    group: int
    prompt: float  # mean tokens
    completion: float  # mean tokens
    updates: int
    forwards: float  # before the updates, of every token: for the policy before them, and for a reference

    @classmethod
    def of(cls, config: TrainingConfig, mean_tokens: float) -> "StepLoad":
        """Args: mean_tokens: of a prompt, in SFT of an example."""
        if isinstance(config, SFTConfig):
            return cls(config.examples_per_step, 1, 0.0, mean_tokens, 1, 0.0)
        assert isinstance(config, GRPOConfig)
        completion = float(config.estimate.completion_tokens or config.sampling.max_tokens)
        forwards = 1 - 1 / config.updates_per_step + config.keeps_reference
        batch = (config.prompts_per_step, config.group_size)
        return cls(*batch, mean_tokens, completion, config.updates_per_step, forwards)

    @property
    def tokens(self) -> float:
        """That the learner computes: a prompt once for its group."""
        return self.prompts * (self.prompt + self.group * self.completion)

    @property
    def seen(self) -> float:
        """Tokens that those tokens see, summed."""
        completions = self.group * self.completion * (self.prompt + self.completion / 2)
        return self.prompts * (self.prompt**2 / 2 + completions)
