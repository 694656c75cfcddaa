"""`--dry-run`: what a run would do, without starting anything."""

from rich.console import Console

from rayrl.config import GRPOConfig, dump_config
from rayrl.train.preflight import check
from rayrl.train.view import plan_table


def print_plan(config: GRPOConfig) -> int:
    """Prints the resolved settings, then what trains, memory and placement. Raises as the run itself would."""
    console = Console(highlight=False, soft_wrap=True)
    plan = check(config)
    resolved = config.model_copy(update={"objective": config.objective.resolved()})
    console.print(dump_config(resolved), markup=False)
    console.print(plan_table(config, plan, (config.run.dir / config.run.name).resolve()))
    return 0
