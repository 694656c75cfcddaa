"""`--dry-run`: what a run would do, without starting anything."""

from rich.console import Console

from rayrl.config import TrainingConfig, dump_config
from rayrl.train.phase_table import write_phases
from rayrl.train.preflight import check_run
from rayrl.train.view import write_plan


def print_plan(config: TrainingConfig) -> int:
    """Prints the resolved settings, then what trains, memory, placement, the first row, and on GPUs the time of
    a step. Raises as the run itself would."""
    console = Console(highlight=False, soft_wrap=True)
    with check_run(config) as plan:
        console.print(dump_config(config.resolved(plan.data.steps)), markup=False)
        write_plan(console, config, plan)
        write_phases(console, plan)
    return 0
