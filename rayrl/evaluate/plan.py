"""One model of an evaluation, checked before any actor starts."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property

from rayrl.config import EvalConfig
from rayrl.evaluate.chosen import check_set_options, saying_what_to_leave_out
from rayrl.evaluate.draws import Draw, list_draws
from rayrl.evaluate.imported import ImportPlan, plan_import
from rayrl.evaluate.logged_samples import LoggedModel, find_logged
from rayrl.evaluate.model import EvaluatedModel, evaluated_model, labels_of
from rayrl.train.cluster import generator_replicas
from rayrl.train.datasets import EvaluatedSets, read_evaluated
from rayrl.train.memory import PartMemory, require_memory, run_memory
from rayrl.train.plan import ModelPlan, harness_tasks
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

    @property
    def label(self) -> str:
        return self.target.label

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the model, and the rows that were left out."""
        left_out = self.sets.left_out.items()
        return [
            *self.target.notes,
            *(f"left out {len(ids)} of {why} ({', '.join(ids[:3])}{', …' * (len(ids) > 3)})" for why, ids in left_out),
        ]

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


def find_targets(paths: Iterable[str]) -> list[EvaluatedModel | LoggedModel]:
    """The models of these paths, each with a label of its own; those of lm-eval's samples are not sampled.

    Raises:
        ModelError: As `find_models`.
        DataError: As `find_logged`.
    """
    named = list(paths)
    return [
        find_logged(path, label) or evaluated_model(path, label)
        for path, label in zip(named, labels_of(named), strict=True)
    ]


def check_models(config: EvalConfig, targets: Sequence[EvaluatedModel | LoggedModel]) -> list[EvalPlan | ImportPlan]:
    """A plan for each model.

    Raises:
        RayrlError: A model, a set or a setting cannot be used; names field, value and fix.
    """
    with saying_what_to_leave_out(config):
        check_set_options(config)
        return _checked(config, targets)


def _checked(config: EvalConfig, targets: Sequence[EvaluatedModel | LoggedModel]) -> list[EvalPlan | ImportPlan]:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    plans = {target.label: EvalPlan(config, target) for target in targets if isinstance(target, EvaluatedModel)}
    for plan in plans.values():
        for check in (check_context, check_judge, check_plugins):
            check(plan)
        require_memory(plan.config, run_memory(plan.config, _memory(plan)))
    tasks = harness_tasks(config)
    for plan in plans.values():
        plan.harness_tasks = tasks
        _ = plan.draws
    return [
        plan_import(config, target, tasks) if isinstance(target, LoggedModel) else plans[target.label]
        for target in targets
    ]


def _memory(plan: EvalPlan) -> PartMemory:
    return PartMemory(0, plan.generator_bytes, plan.adapter_bytes)


def in_flight(config: EvalConfig) -> int:
    """Samples that are asked for at once: as many more than generators take as may be waiting for their verdict."""
    return 2 * generator_replicas(config) * config.generator.max_concurrent_prompts
