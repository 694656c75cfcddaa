"""The settings that GRPO and SFT have in common, and what follows from them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from rayrl.config.data import DatasetSettings, TextSettings
from rayrl.config.estimate import EstimateSettings
from rayrl.config.eval import EvaluationConfig
from rayrl.config.learner import LearnerSettings
from rayrl.config.model import FreezeSettings, LoRASettings
from rayrl.config.run import CheckpointSettings, RunSettings


class TrainingConfig(EvaluationConfig):
    """What GRPO and SFT have in common."""

    run: RunSettings = RunSettings()
    train_data: DatasetSettings
    freeze: FreezeSettings = FreezeSettings()
    adapter: LoRASettings | None = None
    """LoRA or QLoRA; None: the weights themselves train."""
    learner: LearnerSettings = LearnerSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    estimate: EstimateSettings = EstimateSettings()
    colocate: bool = False
    """Learner and generators take turns on the same GPUs: each rank has a generator beside it, which sleeps while the
    ranks compute (vLLM's sleep mode) and samples while they wait."""
    drift: bool = True
    """Write to drift.jsonl, at each checkpoint, how far each matrix is from the base."""
    divergence: dict[str, TextSettings] = Field(default_factory=dict)
    """Sets of texts, by names of your own, whose KL divergence from the base goes to divergence.jsonl at the start and
    at each checkpoint."""
    steps: int = Field(ge=0)
    """Steps of the loop."""

    @property
    def weight_transfer(self) -> str:
        """`packets`, `nccl` or `ipc`: what `generator.weight_transfer` comes to. An adapter travels in packets, as its
        base does where that is rounded; and an engine of your own takes nothing else."""
        chosen = self.generator.weight_transfer
        if chosen != "auto":
            return chosen
        return next((one for one in ("nccl", "ipc") if not self._against_transfer(one)), "packets")

    @property
    def base_transfer(self) -> str:
        """`packets` or `recipe`: what `adapter.base_transfer` comes to."""
        chosen = self.adapter.base_transfer if self.adapter else "packets"
        if chosen != "auto":
            return chosen
        on_gpus = self.learner.gpus_per_worker and self.generator.gpus and self.generator.engine == "vllm"
        return "recipe" if on_gpus else "packets"

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
        whole = learner.gpus_per_worker >= 1 and generator.gpus >= 1
        if chosen == "nccl":
            if self.colocate:
                return "colocate is set, and NCCL takes no two processes on one GPU"
            return "" if whole else f"{gpus}: both need whole GPUs"
        lone = learner.workers == generator.replicas == 1
        return "" if lone and self.shares_gpu else f"{gpus}: it needs one rank and one generator that share a GPU"

    @property
    def rounding(self) -> Literal["bfloat16", "float32"]:
        """What learner and generators agree to: float32 where both compute in it, without an adapter between them."""
        exact = self.model.compute_dtype == self.generator.dtype == "float32" and self.adapter is None
        return "float32" if exact and self.generator.engine == "vllm" else "bfloat16"

    @property
    def shares_gpu(self) -> bool:
        """Whether a generator has its GPU together with a learner rank."""
        ranks, generator = self.learner.gpus_per_worker, self.generator.gpus
        return bool(ranks and generator) and (self.colocate or (ranks < 1 and generator < 1))

    @model_validator(mode="after")
    def require_possible_transfer(self) -> Self:
        chosen = self.generator.weight_transfer
        if chosen != "auto" and (reason := self._against_transfer(chosen)):
            raise ValueError(f"generator.weight_transfer ({chosen!r}) cannot be: {reason}; leave it out")
        if self.base_transfer == "recipe" and self.generator.engine != "vllm":
            raise ValueError(
                f"adapter.base_transfer ('recipe') cannot be: generator.engine {self.generator.engine!r} takes "
                "packets; leave it out"
            )
        return self

    @model_validator(mode="after")
    def require_turns(self) -> Self:
        if not self.colocate:
            return self
        learner, generator = self.learner, self.generator
        if learner.workers != generator.replicas:
            raise ValueError(
                f"colocate: generator.replicas ({generator.replicas}) must be learner.workers ({learner.workers}): "
                "each rank has one generator beside it; set both alike"
            )
        if learner.gpus_per_worker != generator.gpus or generator.gpus not in (0, 1):
            raise ValueError(
                f"colocate: learner.gpus_per_worker ({learner.gpus_per_worker:g}) and generator.gpus "
                f"({generator.gpus:g}) must both be 1, the GPU on which they take turns (or 0, on CPU); a model too "
                "large for one GPU needs generators with GPUs of their own"
            )
        if self.evaluation.beside_training:
            raise ValueError(
                "colocate: generators cannot evaluate while the learner trains (evaluation.beside_training) and take "
                "turns with it; leave one of them out"
            )
        return self

    @property
    def step_in_words(self) -> str:
        """What one step takes, for the plan."""
        raise NotImplementedError

    def resolved(self, steps: int) -> Self:
        """The same with what the settings leave open filled in."""
        return self.model_copy(update={"steps": steps})

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
