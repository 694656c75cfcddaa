"""`--dry-run`: what a run would do, without starting anything."""

from rich.console import Console

from rayrl.config import TrainingConfig, dump_config
from rayrl.train.preflight import check
from rayrl.train.run_directory import run_folder
from rayrl.train.view import plan_table


def print_plan(config: TrainingConfig) -> int:
    """Prints the resolved settings, then what trains, memory and placement. Raises as the run itself would."""
    console = Console(highlight=False, soft_wrap=True)
    with check(config) as plan:
        console.print(dump_config(config.resolved(plan.steps)), markup=False)
        console.print(plan_table(config, plan, run_folder(config)))
    return 0
