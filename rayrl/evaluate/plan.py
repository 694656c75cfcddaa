"""One model of an evaluation, checked before any actor starts."""

import os
from functools import cached_property

from rayrl.config import EvalConfig
from rayrl.evaluate.draws import Draw, list_draws
from rayrl.evaluate.model import EvaluatedModel
from rayrl.train.cluster import generator_replicas
from rayrl.train.datasets import EvaluatedSets, read_evaluated
from rayrl.train.memory import PartMemory, require_memory, run_memory
from rayrl.train.plan import ModelPlan
from rayrl.train.preflight import check_context, check_judge, check_plugins


class EvalPlan(ModelPlan):
    """What evaluating one model comes to; each part is found once, when it is first asked for.

    Args:
        config: The settings.
        target: The model, which stands in for the settings' own.
    """

    config: EvalConfig

    def __init__(self, config: EvalConfig, target: EvaluatedModel) -> None:
        model = config.model.model_copy(update={"path": str(target.folder)})
        self.config = config.model_copy(update={"model": model})
        self.target = target

    @cached_property
    def sets(self) -> EvaluatedSets:
        return read_evaluated(self.config, str(self.target.tokenizer))

    @cached_property
    def draws(self) -> list[Draw]:
        return list_draws(self.config, self.target.fingerprint, self.sets.prompts, self.harness_sizes)

    @property
    def adapter_bytes(self) -> int:
        adapter = self.target.adapter
        return (adapter / "adapter_model.safetensors").stat().st_size if adapter else 0


def check_models(config: EvalConfig, targets: list[EvaluatedModel]) -> list[EvalPlan]:
    """A plan for each model.

    Raises:
        RayrlError: A model, a set or a setting cannot be used; names field, value and fix.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    plans = [EvalPlan(config, target) for target in targets]
    for plan in plans:
        for check in (check_context, check_judge, check_plugins):
            check(plan)
        require_memory(plan.config, run_memory(plan.config, _memory(plan)))
    for plan in plans:
        _ = plan.draws
    return plans


def _memory(plan: EvalPlan) -> PartMemory:
    return PartMemory(0, plan.generator_bytes, plan.adapter_bytes)


def in_flight(config: EvalConfig) -> int:
    """Samples that are asked for at once: as many more than generators take as may be waiting for their verdict."""
    return 2 * generator_replicas(config) * config.generator.max_concurrent_prompts
