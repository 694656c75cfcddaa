"""What a study would do: every arm checked, its steps computed, its cost estimated."""

from dataclasses import dataclass

from rich.table import Table

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError, RayrlError
from rayrl.study.arms import Arm, expand, seeds_of, with_place
from rayrl.study.budget import Cost, Lengths, step_cost, steps_for
from rayrl.study.directory import study_folder
from rayrl.study.settings import StudyConfig
from rayrl.train.disk import require_disk
from rayrl.train.preflight import check


@dataclass(frozen=True, slots=True)
class ArmPlan:
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


def plan_study(config: StudyConfig) -> list[ArmPlan]:
    """Checks every arm as its run would be checked (model, data, freeze, memory).

    Raises:
        RayrlError: What is wrong with an arm, by its name.
    """
    arms = expand(config)
    measured = dict.fromkeys(one.name for arm in arms for one in arm.config.evaluation_sets)
    if unknown := [name for name in config.study.in_domain or [] if name not in measured]:
        raise ConfigError(
            f"study.in_domain: {unknown[0]!r} is none of what is evaluated: {', '.join(measured) or 'nothing'}"
        )
    plans = [plan_arm(arm, config) for arm in arms]
    kept = sum(len(plan.seeds) * plan.disk for plan in plans)
    require_disk(study_folder(config.study), kept)
    return plans


def plan_arm(arm: Arm, config: StudyConfig) -> ArmPlan:
    """One arm's plan; raises as `plan_study`."""
    budget = config.study.budget
    placed = with_place(arm.config, study_folder(config.study) / "trials", f".{arm.name}", 0, arm.config.steps)
    try:
        with check(placed) as found:
            step = step_cost(arm.config, Lengths.of(found), budget.completion_tokens if budget else None)
    except RayrlError as error:
        raise type(error)(f"arms.{arm.name}: {error}") from error
    steps = found.steps if arm.has_steps or budget is None else steps_for(budget, step)
    seeds = seeds_of(arm, config.study.seeds)
    return ArmPlan(arm, steps, seeds, step.times(steps), found.memory.total, found.kept_bytes)


def plan_table(plans: list[ArmPlan]) -> Table:
    """Arm, method, freeze, rate, seeds, and what a trial of it costs."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("arm", "method", "freeze", "rate"):
        table.add_column(column, overflow="fold")
    for column in ("seeds", "updates", "samples", "tokens", "FLOPs, est."):
        table.add_column(column, justify="right")
    for plan in plans:
        freeze, cost = plan.config.freeze, plan.cost
        rules = f" + {len(freeze.rules)} rules" if freeze.rules else ""
        trains = plan.arm.method != "base"
        table.add_row(
            plan.arm.name,
            plan.arm.method,
            f"{freeze.preset}{rules}" if trains else "-",
            f"{plan.config.learner.learning_rate:g}" if trains else "-",
            str(len(plan.seeds)),
            f"{cost.updates:.0f}",
            f"{cost.samples:.0f}",
            f"{cost.tokens:.0f}",
            f"{cost.flops:.3g}",
        )
    return table
