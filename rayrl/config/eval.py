"""What a model is evaluated on, in a run or by `rayrl eval`, and what follows from it."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from rayrl.config.data import DatasetSettings, PromptSettings
from rayrl.config.evaluation import HELD_OUT, BenchmarkSettings, EvalSettings, EvaluationSet, HarnessSettings
from rayrl.config.generator import GeneratorSettings
from rayrl.config.model import ModelSettings
from rayrl.config.rewards import Rewards, RewardSettings, VerifierSettings
from rayrl.config.run import OutputSettings
from rayrl.config.settings import Settings, require_name


class EvaluationConfig(Settings):
    """What `rayrl eval`, GRPO and SFT have in common."""

    command: ClassVar[str]
    """`rayrl COMMAND CONFIG` runs it."""

    run: OutputSettings = OutputSettings()
    model: ModelSettings
    eval_data: DatasetSettings | None = None
    benchmarks: dict[str, BenchmarkSettings] = Field(default_factory=dict)
    """Further sets of problems to evaluate, by names of your own. `held_out` is that of `eval_data`."""
    prompt: PromptSettings = PromptSettings()
    rewards: Rewards = Field([RewardSettings(function="maths")])
    """Functions whose weighted sum is a completion's reward. The first that is a verifier also scores the held-out
    completions."""
    verifier: VerifierSettings = VerifierSettings()
    generator: GeneratorSettings = GeneratorSettings()
    evaluation: EvalSettings = EvalSettings()

    @field_validator("benchmarks")
    @classmethod
    def require_names(cls, benchmarks: dict[str, BenchmarkSettings]) -> dict[str, BenchmarkSettings]:
        for name in benchmarks:
            if require_name(name) == HELD_OUT:
                raise ValueError(f"{name!r} is no benchmark's name: it is eval_data's")
        return benchmarks

    @model_validator(mode="after")
    def require_samples(self) -> Self:
        for one in self.evaluation_sets:
            where = "evaluation" if one.name == HELD_OUT else f"benchmarks.{one.name}"
            if one.samples > 1 and not one.temperature:
                raise ValueError(
                    f"{where}.samples ({one.samples}): at temperature 0 all samples of an item are alike; set "
                    f"{where}.temperature above 0, or samples: 1"
                )
            if one.k[-1] > one.samples:
                raise ValueError(f"{where}.k ({one.k[-1]}) must be at most {where}.samples ({one.samples})")
        return self

    @property
    def evaluation_sets(self) -> list[EvaluationSet]:
        """All of this project's own sets that are evaluated, the held-out problems first."""
        common = self.evaluation
        sets = []
        if self.eval_data:
            how = (common.temperature, common.top_p, self.evaluation_tokens, common.samples)
            what = (HELD_OUT, "eval_data", self.eval_data, self.prompt, self.rewards)
            sets.append(EvaluationSet(*what, *how, _rising(common.k, common.samples)))
        for name, own in self.benchmarks.items():
            if own.data is None:
                continue
            temperature = common.temperature if own.temperature is None else own.temperature
            drawn = own.method == "generate"
            samples = own.samples or (common.samples if drawn else 1)
            rewards = own.rewards if drawn else [RewardSettings(function="choice")]
            how = (temperature, own.top_p or common.top_p, own.max_tokens or self.evaluation_tokens, samples)
            what = (name, f"benchmarks.{name}.data", own.data, own.prompt, rewards)
            k = _rising(own.k or (common.k if drawn else None), samples)
            sets.append(EvaluationSet(*what, *how, k, own.method))
        return sets

    @property
    def harness_tasks(self) -> dict[str, HarnessSettings]:
        """Tasks of lm-evaluation-harness that are evaluated, by the benchmark's name."""
        return {name: one.lm_eval for name, one in self.benchmarks.items() if one.lm_eval}

    @property
    def evaluated_names(self) -> list[str]:
        """Names of all that is evaluated."""
        return [*(one.name for one in self.evaluation_sets), *self.harness_tasks]

    @property
    def evaluates(self) -> bool:
        """Whether there is anything to evaluate."""
        return bool(self.evaluation_sets or self.harness_tasks)

    @property
    def all_rewards(self) -> list[RewardSettings]:
        """Those of training and of each set that is evaluated."""
        return [*self.rewards, *(reward for one in self.evaluation_sets for reward in one.rewards)]

    @property
    def evaluation_tokens(self) -> int:
        """Longest held-out completion."""
        return self.evaluation.max_tokens or 256

    @property
    def longest_sample(self) -> int:
        """Longest prompt with its completion that a generator is asked for, in tokens."""
        own = [one.prompt.max_tokens + one.max_tokens for one in self.evaluation_sets]
        return max([*own, *(one.max_length + 1 for one in self.harness_tasks.values())], default=0)

    @property
    def samples(self) -> bool:
        """Whether anything is sampled: held-out completions, or what is trained on."""
        return self.evaluates


class EvalConfig(EvaluationConfig):
    """Everything `rayrl eval` needs."""

    command = "eval"
    # The coordinator's: nothing is sampled to train on.
    steps: ClassVar[int] = 0
    prompts_per_step: ClassVar[int] = 0
    max_staleness: ClassVar[int] = 0
    stale_groups: ClassVar[str] = "wait"
    replacements: ClassVar[int] = 0
    difficulty_filter: ClassVar[float] = 1.0

    @model_validator(mode="after")
    def require_sets(self) -> Self:
        if not self.evaluates:
            raise ValueError("benchmarks: nothing to evaluate; name a set there, or in eval_data")
        return self


def _rising(k: list[int] | None, samples: int) -> tuple[int, ...]:
    """1, 2, 4, … up to all samples, where `k` is left open."""
    return tuple(sorted(set(k or [*(1 << power for power in range(samples.bit_length())), samples])))
