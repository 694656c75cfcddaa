"""The settings of `rayrl grpo`, and which of them go together."""

from typing import Literal, Self

from pydantic import Field, model_validator

from rayrl.config.data import TargetSettings
from rayrl.config.generator import PROCESSED, SamplingSettings
from rayrl.config.objective import ObjectiveSettings
from rayrl.config.rewards import Rewards
from rayrl.config.training import TrainingConfig


class GRPOConfig(TrainingConfig):
    """Everything `rayrl grpo` needs."""

    command = "grpo"

    rewards: Rewards
    """Functions whose weighted sum is a completion's reward. The first that is a verifier also scores the held-out
    completions."""
    target: TargetSettings | None = None
    """What an SFT run on the same rows learns. Rows that it would leave out (too long, no answer) are left out here
    too, so that both train on the same problems. None: every row whose prompt fits."""
    sampling: SamplingSettings = SamplingSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    steps: int = Field(ge=0)
    """Steps of the loop: each takes P prompts and makes `updates_per_step` updates. 0: the model is evaluated only."""
    prompts_per_step: int = Field(16, ge=1)
    """P: prompts sampled each step."""
    group_size: int = Field(8, ge=2)
    """G: completions of each prompt, whose mean reward is the baseline."""
    updates_per_step: int = Field(1, ge=1)
    """Optimizer updates made of one step's groups, each of its own share. Above 1 the later ones are clipped against
    the policy before the first, which costs a forward pass over their groups."""
    max_staleness: int = Field(0, ge=0)
    """Most updates by which the sampling policy may be behind the learner. 0: strictly on-policy. Above 0 a step takes
    the groups that come back first."""
    stale_groups: Literal["wait", "drop"] = "wait"
    """What becomes of a group that would be too old for the next step. wait: this step waits for it. drop: it is
    replaced by another prompt's and counted; no step waits, but long completions are dropped more often."""
    dynamic_sampling: float = Field(1.0, ge=1)
    """Most groups that a step may sample, in multiples of `prompts_per_step`: till then a group whose completions all
    earn the same is replaced by another prompt's (DAPO, arXiv:2503.14476, section 3.2). 1: none is."""

    difficulty_filter: float = Field(1.0, gt=0, le=1)
    """Share of its draws in which a prompt is taken whose completions all earned the same the last time. Below 1, what
    is too easy or too hard comes less often (online difficulty filtering, arXiv:2504.03380). 1: all are taken."""

    @property
    def replacements(self) -> int:
        """Most groups of one step that are replaced because they give no signal."""
        return int(round((self.dynamic_sampling - 1) * self.prompts_per_step, 6))

    @model_validator(mode="after")
    def require_admission_that_acts(self) -> Self:
        if self.stale_groups == "drop" and not self.max_staleness:
            raise ValueError(
                "stale_groups: drop needs max_staleness above 0: without staleness every step waits for all its groups"
            )
        if self.colocate and self.max_staleness:
            raise ValueError(
                f"colocate: max_staleness ({self.max_staleness}) must be 0: while the learner trains, generators that "
                "take turns with it do not sample"
            )
        if self.dynamic_sampling > 1 and not self.replacements:
            raise ValueError(
                f"dynamic_sampling ({self.dynamic_sampling:g}) replaces not one of {self.prompts_per_step} groups: at "
                f"least {1 + 1 / self.prompts_per_step:g}, or 1 for none"
            )
        if self.evaluation.beside_training:
            raise ValueError(
                "evaluation.beside_training is for SFT: in GRPO the generators that evaluate one version of the "
                "weights must sample from the next; leave it out"
            )
        return self

    @model_validator(mode="after")
    def require_on_policy(self) -> Self:
        if self.prompts_per_step % self.updates_per_step:
            raise ValueError(
                f"prompts_per_step ({self.prompts_per_step}) must be a multiple of updates_per_step "
                f"({self.updates_per_step}): each update takes the same number of groups"
            )
        if self.adapter is not None and self.adapter.dropout:
            raise ValueError(
                f"adapter.dropout ({self.adapter.dropout}) must be 0: GRPO compares probabilities of one policy"
            )
        if self.sampling.top_p < 1:
            raise ValueError(
                f"sampling.top_p ({self.sampling.top_p:g}) must be 1: a nucleus gives its tokens more probability than "
                "the learner does, which biases every importance weight; lower sampling.temperature instead. "
                "evaluation.top_p is free"
            )
        if not self.sampling.temperature:
            raise ValueError(
                "sampling.temperature (0) must be above 0: greedy completions of one prompt are all alike, and teach "
                "nothing. evaluation.temperature is free"
            )
        if (mode := self.generator.options.get("logprobs_mode", PROCESSED)) != PROCESSED:
            raise ValueError(
                f"generator.options.logprobs_mode ({mode!r}) must be {PROCESSED!r}: the learner is compared with the "
                "distribution that is sampled from; leave it out"
            )
        return self

    @property
    def notices(self) -> list[str]:
        idle = self.objective.idle(self.updates_per_step)
        if not idle:
            return []
        named = ", ".join(f"objective.{part} ({getattr(self.objective, part)})" for part in idle)
        return [f"{named}: without effect, since at updates_per_step 1 the policy ratio is exactly 1"]

    @property
    def step_in_words(self) -> str:
        return f"{self.prompts_per_step} prompts x {self.group_size} completions, staleness <= {self.max_staleness}"

    def resolved(self, steps: int) -> Self:
        return self.model_copy(update={"steps": steps, "objective": self.objective.resolved()})

    @property
    def evaluation_tokens(self) -> int:
        return self.evaluation.max_tokens or self.sampling.max_tokens

    @property
    def longest_sample(self) -> int:
        return max(self.prompt.max_tokens + self.sampling.max_tokens, super().longest_sample)

    @property
    def samples(self) -> bool:
        return True

    @property
    def updates(self) -> int:
        return self.steps * self.updates_per_step

    @property
    def temperature(self) -> float:
        return self.sampling.temperature

    @property
    def keeps_reference(self) -> bool:
        return self.objective.kl_coefficient > 0
