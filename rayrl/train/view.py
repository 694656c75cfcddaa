"""What a person watches: one live view on a terminal, one line a step elsewhere."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayrl.actors.records import Phase
from rayrl.config import HELD_OUT, TrainingConfig
from rayrl.train.cluster import generator_replicas, takes_turns, verifier_actors
from rayrl.train.folder_kind import RUN
from rayrl.train.plan import RunPlan
from rayrl.units import GB


class LiveView(AbstractContextManager["LiveView"]):
    """On a terminal, what `draw` gives is shown within a `with`, and drawn again all the time."""

    def __init__(self, draw: Callable[[], RenderableType], per_second: int) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._draw, self._per_second = draw, per_second
        self._live = ExitStack()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            live = Live(console=self.console, get_renderable=self._draw, refresh_per_second=self._per_second)
            self._live.enter_context(live)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)


class View(LiveView):
    """Shows the plan, then step, reward, held-out accuracy, tokens/s and time by phase."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__(self._screen, per_second=4)
        self.config = config
        self.steps: list[dict[str, Any]] = []
        self.evaluations: list[dict[str, Any]] = []
        self.phase = Phase("start Ray")

    def record(self, record: dict[str, Any]) -> None:
        """A step, an evaluation or an event, as metrics.jsonl has it."""
        kind = record["kind"]
        if kind == "step":
            self.steps.append(record)
            line = step_line(record, self.config.steps)
        elif kind == "eval":
            self.evaluations.append(record)
            line = evaluation_lines(record)
        else:
            line = f"{record['event']}: {record['detail']}"
        if not self.console.is_terminal or kind == "event":
            self.say(line)

    def show_plan(self, plan: RunPlan) -> None:
        """Model, data, what trains, memory, placement."""
        write_plan(self.console, self.config, plan)

    def _screen(self) -> Group:
        done = len(self.steps) and self.steps[-1]["step"]
        bar = Table.grid(padding=(0, 1))
        progress = ProgressBar(self.config.steps, done, width=40)
        bar.add_row(f"step {done}/{self.config.steps}", progress, Text(str(self.phase), "dim"))
        lines = [Text(step_line(step, self.config.steps)) for step in self.steps[-8:]]
        held_out = [Text(evaluation_lines(evaluation), "bold") for evaluation in self.evaluations]
        return Group(*held_out, *lines, bar)


def step_line(record: dict[str, Any], steps: int) -> str:
    """One step on one line."""
    if "reward/mean" in record:
        phases = ["generate", "verify", "train", "sync"]
        learned, rate = f"reward {_number(record['reward/mean'], 3)}", record["generate/tokens_per_s"]
    else:
        phases = ["train"]
        learned = f"loss {_number(record.get('train/loss'), 4)}"
        rate = record["data/tokens"] / record["time/train_s"]
    times = "  ".join(f"{phase} {record[f'time/{phase}_s']:.1f}" for phase in phases)
    return f"step {record['step']:>3}/{steps}  {learned}  {rate:>4.0f} tokens/s  seconds: {times}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def evaluation_lines(record: dict[str, Any]) -> str:
    """One evaluation, a line for each set, with its 95 % Wilson interval."""
    names = [key.split("/")[1] for key in record if key.startswith("benchmark/") and key.endswith("/total")]
    return "\n".join(_evaluation_line(record, name) for name in names)


def _evaluation_line(record: dict[str, Any], name: str) -> str:
    correct, total, unscored = (record[f"benchmark/{name}/{key}"] for key in ("correct", "total", "unscored"))
    where = f"{'held-out' if name == HELD_OUT else name} after step {record['step']}"
    if not total:
        return f"{where}: none of the completions could be scored"
    accuracy, low, high, cut, finished = (
        record[f"benchmark/{name}/{key}"]
        for key in ("accuracy", "accuracy_ci_low", "accuracy_ci_high", "truncated_frac", "accuracy_finished")
    )
    rest = f", {unscored} not scored" if unscored else ""
    rest += f", {100 * cut:.1f} % cut off ({_number(finished, 3)} without these)" if cut else ""
    return f"{where}: {correct:.6g}/{total} = {accuracy:.3f} (95 % interval {low:.3f}-{high:.3f}){rest}"


def memory_line(record: dict[str, Any]) -> str:
    """The learner's measured peak after a step beside what the plan said."""
    peak, estimate = record["memory/peak_gb"], record["memory/estimate_gb"]
    return f"learner memory: peak {peak:.2f} GB a rank, estimated {estimate:.2f} GB"


def write_plan(console: Console, config: TrainingConfig, plan: RunPlan) -> None:
    """Prints the plan of a run: a table, and the first row that it trains on."""
    console.print(plan_table(config, plan))
    console.print(str(plan.data.first), markup=False)


def plan_table(config: TrainingConfig, plan: RunPlan) -> Table:
    """The plan of a run as a table."""
    data = plan.data
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("run", str(RUN.path(config.run)))
    table.add_row("model", f"{config.model.path}, {plan.structure.base_size / 1e6:.1f} million parameters")
    if data.examples:
        table.add_row("examples", f"{len(data.examples)} to learn")
    else:
        table.add_row("problems", f"{len(data.train)} to train on")
    evaluated = {name: len(prompts) for name, prompts in data.evaluated.items()} | plan.harness_sizes
    if evaluated:
        table.add_row("evaluated", ", ".join(f"{size} of {name}" for name, size in evaluated.items()))
    for reason, ids in data.left_out.items():
        table.add_row("left out", f"{len(ids)} of {reason} ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})")
    table.add_row("a step", config.step_in_words)
    for notice in [*data.notes, *config.notices]:
        table.add_row("note", notice)
    for row in plan.freeze_rows:
        fate = "train " if row.trainable else "frozen"
        where = f" of layers {row.layers}" if row.layers else ""
        table.add_row(fate, f"{row.kind}{where}: {row.tensors} tensors, {row.parameters / 1e6:.2f} million")
    if (adapter := config.adapter) is not None:
        base = "NF4" if adapter.quantize else config.model.compute_dtype
        held = f"base in {base}, {plan.learner_memory.frozen / GB:.2f} GB a rank"
        table.add_row("adapter", f"rank {adapter.rank}, alpha {adapter.alpha}; {held}")
    generator, learner = config.generator, config.learner
    table.add_row(
        "generators",
        f"{generator_replicas(config)} x ({generator.cpus:g} CPU, {generator.gpus:g} GPU), "
        f"about {plan.generator_bytes / GB:.1f} GB{', in turns with a learner rank each' * takes_turns(config)}",
    )
    table.add_row(
        "verifiers",
        f"{verifier_actors(config)} x {config.verifier.processes_per_actor} processes ({config.verifier.cpus:g} CPU)",
    )
    table.add_row(
        "learner",
        f"{learner.workers} x ({learner.cpus_per_worker:g} CPU, {learner.gpus_per_worker:g} GPU), "
        f"about {plan.learner_bytes / GB:.1f} GB a rank, at most {plan.activation_bytes / GB:.1f} GB of it activations",
    )
    table.add_row("memory", f"about {plan.memory.total / GB:.1f} GB in all, without what is on GPUs")
    return table
