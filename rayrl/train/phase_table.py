"""The estimate of a step's phases as people read it: the run's split of its GPUs beside the others."""

import math

from rich.console import Console
from rich.table import Table

from rayrl.config import GRPOConfig
from rayrl.train.phase_times import on_one_gpu, splits
from rayrl.train.plan import RunPlan
from rayrl.units import GB


def write_phases(console: Console, plan: RunPlan) -> None:
    """Prints nothing where there is no estimate (`RunPlan.phase_times`)."""
    if plan.phase_times is None:
        return
    own = (plan.config.learner.workers, plan.config.generator.replicas)
    rows = [_row(plan.split(*split), own) for split in splits(plan.config)]
    table = Table(*rows[0], box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.justify = "right"
    for row in rows:
        table.add_row(*row.values())
    console.print("\nseconds of a step, an estimate that no run on GPUs has confirmed")
    console.print("(split and idle: learners + generators; * this run):")
    console.print(table)
    console.print(_rests_on(plan), markup=False)


def _row(plan: RunPlan, own: tuple[int, int]) -> dict[str, str]:
    """Cells by the names of their columns."""
    config, times = plan.config, plan.phase_times
    assert times is not None
    workers, replicas = split = (config.learner.workers, config.generator.replicas)
    mark, memory = "* " if split == own else "", f"{plan.learner_bytes / GB:.0f}"
    if not isinstance(config, GRPOConfig):
        return {"learners": f"{mark}{workers}", "GB/rank": memory, "train": _seconds(times.train)}
    cells = {
        "split": f"{mark}{workers} + {replicas}",
        "GB/rank": memory,
        "generate": _seconds(times.generate),
        "train": _seconds(times.train),
        "sync": _seconds(times.sync),
        "step": _seconds(times.step()),
        "idle": f"{_share(times.learner_idle)} + {_share(times.generator_idle)}",
    }
    if not on_one_gpu(config):
        other = int(not times.staleness)
        cells[f"staleness {other}"] = _seconds(times.step(other))
    return cells


def _seconds(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "no room"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"


def _rests_on(plan: RunPlan) -> str:
    """The lengths and rates behind the table."""
    config, rates = plan.config, plan.config.estimate
    lengths = f"examples of {plan.mean_tokens:.0f} tokens"
    if isinstance(config, GRPOConfig):
        completion = rates.completion_tokens or f"{config.sampling.max_tokens} (the most there can be)"
        lengths = f"prompts of {plan.mean_tokens:.0f} tokens, completions of {completion}"
    return (
        f"rests on {lengths}, and on these rates (estimate.*): {rates.tflops:g} TFLOP/s x {rates.compute_share:g}, "
        f"{rates.hbm_gb:g} GB a GPU at {rates.hbm_tb_s:g} TB/s x {rates.hbm_share:g}, {rates.link_gb_s:g} GB/s between "
        f"GPUs and {rates.network_gb_s:g} between nodes of {rates.gpus_per_node}, both x {rates.link_share:g}, weights "
        f"to generators by {config.weight_transfer}, {rates.host_gb_s:g} GB/s for a copy through host memory; without "
        "verifying, evaluation and checkpoints"
    )
