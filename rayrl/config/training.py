"""The settings that GRPO and SFT have in common, and what follows from them."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from rayrl.config.data import DatasetSettings, PromptSettings, TextSettings
from rayrl.config.estimate import EstimateSettings
from rayrl.config.evaluation import HELD_OUT, BenchmarkSettings, EvalSettings, EvaluationSet
from rayrl.config.generator import GeneratorSettings
from rayrl.config.learner import LearnerSettings
from rayrl.config.model import FreezeSettings, LoRASettings, ModelSettings
from rayrl.config.rewards import Rewards, RewardSettings, VerifierSettings
from rayrl.config.run import CheckpointSettings, RunSettings
from rayrl.config.settings import Settings, require_name


class TrainingConfig(Settings):
    """What GRPO and SFT have in common."""

    command: ClassVar[str]
    """`rayrl COMMAND CONFIG` runs it."""

    run: RunSettings = RunSettings()
    model: ModelSettings
    train_data: DatasetSettings
    eval_data: DatasetSettings | None = None
    benchmarks: dict[str, BenchmarkSettings] = Field(default_factory=dict)
    """Further sets of problems to evaluate, by names of your own. `held_out` is that of `eval_data`."""
    prompt: PromptSettings = PromptSettings()
    rewards: Rewards = Field([RewardSettings(function="maths")])
    """Functions whose weighted sum is a completion's reward. The first that is a verifier also scores the held-out
    completions."""
    verifier: VerifierSettings = VerifierSettings()
    generator: GeneratorSettings = GeneratorSettings()
    freeze: FreezeSettings = FreezeSettings()
    adapter: LoRASettings | None = None
    """LoRA or QLoRA; None: the weights themselves train."""
    learner: LearnerSettings = LearnerSettings()
    evaluation: EvalSettings = EvalSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    estimate: EstimateSettings = EstimateSettings()
    drift: bool = True
    """Write to drift.jsonl, at each checkpoint, how far each matrix is from the base."""
    divergence: dict[str, TextSettings] = Field(default_factory=dict)
    """Sets of texts, by names of your own, whose KL divergence from the base goes to divergence.jsonl at the start and
    at each checkpoint."""
    steps: int = Field(ge=0)
    """Steps of the loop."""

    @field_validator("benchmarks")
    @classmethod
    def require_names(cls, benchmarks: dict[str, BenchmarkSettings]) -> dict[str, BenchmarkSettings]:
        for name in benchmarks:
            if require_name(name) == HELD_OUT:
                raise ValueError(f"{name!r} is no benchmark's name: it is eval_data's")
        return benchmarks

    @property
    def evaluation_sets(self) -> list[EvaluationSet]:
        """All that is evaluated, the held-out problems first."""
        common = self.evaluation
        sets = []
        if self.eval_data:
            how = (common.temperature, common.top_p, self.evaluation_tokens)
            sets.append(EvaluationSet(HELD_OUT, "eval_data", self.eval_data, self.prompt, self.rewards, *how))
        for name, own in self.benchmarks.items():
            temperature = common.temperature if own.temperature is None else own.temperature
            how = (temperature, own.top_p or common.top_p, own.max_tokens or self.evaluation_tokens)
            sets.append(EvaluationSet(name, f"benchmarks.{name}.data", own.data, own.prompt, own.rewards, *how))
        return sets

    @property
    def weight_transfer(self) -> str:
        """`packets`, `nccl` or `ipc`: what `generator.weight_transfer` comes to. An adapter travels in packets, as its
        base does where that is rounded; and an engine of your own takes nothing else."""
        chosen = self.generator.weight_transfer
        if chosen != "auto":
            return chosen
        return next((one for one in ("nccl", "ipc") if not self._against_transfer(one)), "packets")

    def _against_transfer(self, chosen: str) -> str:
        """Why weights cannot be sent in this way; empty: they can."""
        learner, generator = self.learner, self.generator
        if chosen == "packets":
            return ""
        if generator.engine != "vllm":
            return f"generator.engine {generator.engine!r} takes packets"
        if self.adapter is not None:
            return "an adapter travels in packets"
        gpus = f"learner.gpus_per_worker is {learner.gpus_per_worker:g} and generator.gpus {generator.gpus:g}"
        if chosen == "nccl":
            return "" if learner.gpus_per_worker >= 1 and generator.gpus >= 1 else f"{gpus}: both need whole GPUs"
        lone = learner.workers == generator.replicas == 1
        shared = 0 < learner.gpus_per_worker < 1 and 0 < generator.gpus < 1
        return "" if lone and shared else f"{gpus}: it needs one rank and one generator that share a GPU"

    @model_validator(mode="after")
    def require_possible_transfer(self) -> Self:
        chosen = self.generator.weight_transfer
        if chosen != "auto" and (reason := self._against_transfer(chosen)):
            raise ValueError(f"generator.weight_transfer ({chosen!r}) cannot be: {reason}; leave it out")
        return self

    @property
    def all_rewards(self) -> list[RewardSettings]:
        """Those of training and of each set that is evaluated."""
        return [*self.rewards, *(reward for one in self.evaluation_sets for reward in one.rewards)]

    @property
    def step_in_words(self) -> str:
        """What one step takes, for the plan."""
        raise NotImplementedError

    def resolved(self, steps: int) -> Self:
        """The same with what the settings leave open filled in."""
        return self.model_copy(update={"steps": steps})

    @property
    def evaluation_tokens(self) -> int:
        """Longest held-out completion."""
        return self.evaluation.max_tokens or 256

    @property
    def longest_sample(self) -> int:
        """Longest prompt with its completion that a generator is asked for, in tokens."""
        return max((one.prompt.max_tokens + one.max_tokens for one in self.evaluation_sets), default=0)

    @property
    def samples(self) -> bool:
        """Whether anything is sampled: held-out completions, or what is trained on."""
        return bool(self.evaluation_sets)

    @property
    def updates(self) -> int:
        """Optimizer updates of the whole run."""
        return self.steps

    @property
    def temperature(self) -> float:
        """Softmax temperature of the policy that is trained."""
        return 1.0

    @property
    def keeps_reference(self) -> bool:
        """Whether the learner needs the base model's log-probabilities."""
        return False

    @property
    def notices(self) -> list[str]:
        """What is set and cannot act, by name and with the reason: shown with the plan."""
        return []
