"""How many steps of an arm a budget pays for, and what they cost."""

from dataclasses import dataclass
from statistics import fmean

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig
from rayrl.study.settings import BudgetSettings
from rayrl.train.plan import RunPlan


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one step, or of a whole arm."""

    updates: float
    samples: float
    tokens: float
    """That the learner sees: a prompt once for its group, as GRPO packs it."""
    flops: float
    """Estimate: matmuls of the weights alone. Forward and the gradient of activations 2 x parameters x tokens each,
    gradients of the weights that train 2 x their number x tokens, sampling 2 x parameters x completion tokens. Of a
    step's later updates the forward is made once more, before the first (`Learner.with_old_logprobs`)."""

    def times(self, count: int) -> "Cost":
        return Cost(self.updates * count, self.samples * count, self.tokens * count, self.flops * count)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean tokens and sizes that an arm's cost is reckoned from."""

    prompt: float
    example: float
    parameters: int
    trainable: int

    @classmethod
    def of(cls, plan: RunPlan) -> "Lengths":
        examples, train = plan.data.examples, plan.data.train
        return cls(
            prompt=fmean(len(prompt.token_ids) for prompt in train) if train else 0.0,
            example=float(examples.lengths().mean()) if examples else 0.0,
            parameters=plan.structure.base_size,
            trainable=plan.structure.trained_size,
        )


def step_cost(config: TrainingConfig, lengths: Lengths, completion_tokens: int | None = None) -> Cost:
    """Of one step. `completion_tokens`: mean of a GRPO completion; None: the most there can be."""
    if isinstance(config, SFTConfig):
        samples, sampled = config.examples_per_step, 0.0
        tokens = samples * lengths.example
        updates = 1
    else:
        assert isinstance(config, GRPOConfig)
        samples = config.prompts_per_step * config.group_size
        sampled = samples * float(completion_tokens or config.sampling.max_tokens)
        tokens = config.prompts_per_step * lengths.prompt + sampled
        updates = config.updates_per_step
    learn = (4 * lengths.parameters + 2 * lengths.trainable) * tokens
    learn += 2 * lengths.parameters * tokens * (updates - 1) / updates
    return Cost(updates, samples, tokens, learn + 2 * lengths.parameters * sampled)


def steps_for(budget: BudgetSettings, step: Cost) -> int:
    """Steps that come nearest to the budget, at least one."""
    wanted: float = getattr(budget, budget.kind)
    one: float = getattr(step, budget.kind)
    return max(1, round(wanted / one))
