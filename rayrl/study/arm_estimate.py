"""The arms of a study, each checked, with the steps that its budget pays for and what they cost."""

from dataclasses import dataclass

from rich.table import Table

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError, RayrlError
from rayrl.study.arms import Arm, expand, seeds_of, trial_config
from rayrl.study.budget import Cost, Lengths, step_cost, steps_for
from rayrl.study.settings import StudyConfig
from rayrl.train.disk import require_disk
from rayrl.train.folder_kind import STUDY
from rayrl.train.preflight import check_run


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """An arm with its steps, seeds and cost."""

    arm: Arm
    steps: int
    seeds: list[int]
    cost: Cost
    bytes: int
    """Memory of one run."""
    disk: int
    """Bytes that one run leaves."""

    @property
    def config(self) -> TrainingConfig:
        return self.arm.config


def estimate_arms(config: StudyConfig) -> list[ArmEstimate]:
    """Checks every arm as its run would be checked (model, data, freeze, memory).

    Raises:
        RayrlError: What is wrong with an arm, by its name.
    """
    arms = expand(config)
    measured = dict.fromkeys(name for arm in arms for name in arm.config.evaluated_names)
    if unknown := [name for name in config.study.in_domain or [] if name not in measured]:
        raise ConfigError(
            f"study.in_domain: {unknown[0]!r} is none of what is evaluated: {', '.join(measured) or 'nothing'}"
        )
    estimates = [estimate_arm(arm, config) for arm in arms]
    require_disk(STUDY.path(config.study), sum(len(one.seeds) * one.disk for one in estimates))
    return estimates


def estimate_arm(arm: Arm, config: StudyConfig) -> ArmEstimate:
    """One arm's steps and cost; raises as `estimate_arms`."""
    budget = config.study.budget
    trials = STUDY.path(config.study) / STUDY.within
    aside = trial_config(arm.config, trials, f".{arm.name}", 0, arm.config.steps)
    try:
        with check_run(aside) as plan:
            step = step_cost(arm.config, Lengths.of(plan), budget.completion_tokens if budget else None)
            tasks_sample = any(task.sampled for task in plan.harness_tasks.values())
    except RayrlError as error:
        raise type(error)(f"arms.{arm.name}: {error}") from error
    steps = plan.data.steps if arm.has_steps or budget is None else steps_for(budget, step)
    seeds = seeds_of(arm, config.study.seeds, tasks_sample)
    return ArmEstimate(arm, steps, seeds, step.times(steps), plan.memory.total, plan.kept_bytes)


def estimate_table(estimates: list[ArmEstimate]) -> Table:
    """Arm, method, freeze, rate, seeds, and what a trial of it costs."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("arm", "method", "freeze", "rate"):
        table.add_column(column, overflow="fold")
    for column in ("seeds", "updates", "samples", "tokens", "FLOPs, est."):
        table.add_column(column, justify="right")
    for one in estimates:
        freeze, cost = one.config.freeze, one.cost
        rules = f" + {len(freeze.rules)} rules" if freeze.rules else ""
        trains = one.steps > 0
        table.add_row(
            one.arm.name,
            one.arm.method,
            f"{freeze.preset}{rules}" if trains else "-",
            f"{one.config.learner.learning_rate:g}" if trains else "-",
            str(len(one.seeds)),
            f"{cost.updates:.0f}",
            f"{cost.samples:.0f}",
            f"{cost.tokens:.0f}",
            f"{cost.flops:.3g}",
        )
    return table
