"""`rayrl eval`: models on benchmarks, one after the other, without a learner. Nothing is evaluated twice."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table

from rayrl.actors.records import Phase
from rayrl.config import EvalConfig, dump_config
from rayrl.errors import INTERRUPTED, ConfigError
from rayrl.evaluate.answers import AnswerFile
from rayrl.evaluate.draws import Draw, record_of
from rayrl.evaluate.imported import ImportPlan
from rayrl.evaluate.outputs import ANSWERS, ITEMS, SETTINGS, notes_of, write_results
from rayrl.evaluate.plan import EvalPlan, check_models, find_targets
from rayrl.files import write_whole
from rayrl.folders import clear, only_one, require_writable
from rayrl.jsonl import Journal, read_jsonl
from rayrl.progress import progress_bars
from rayrl.rollout_row import EvaluationRow
from rayrl.train.interrupt import terminated_as_interrupt


def run_eval(config: EvalConfig, models: Sequence[str]) -> int:
    """Evaluates the models and returns the exit code: 0, or 130 after Ctrl-C (the same command goes on).

    Raises:
        RayrlError: Bad input (before anything starts), or what made generators or verifiers fail; samples that were
            complete are kept.
    """
    folder = _require_folder(config)
    plans = check_models(config, find_targets(models))
    with only_one(folder, "run.name"):
        return _evaluate(config, plans, folder)


def _evaluate(config: EvalConfig, plans: Sequence[EvalPlan | ImportPlan], folder: Path) -> int:
    """As `run_eval`, in a folder that no other process writes to."""
    if config.run.overwrite and (folder / ITEMS).exists():
        clear(folder)
    kept = config.model_copy(update={"run": config.run.model_copy(update={"overwrite": False})})
    write_whole(folder / SETTINGS, dump_config(kept))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    journal = Journal(folder / ITEMS)
    try:
        with terminated_as_interrupt():
            _import(plans, journal)
            events = _sample_missing([plan for plan in plans if isinstance(plan, EvalPlan)], journal, folder, console)
        write_results(folder, plans, journal, events)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where this one ended")
        return INTERRUPTED
    finally:
        journal.close()
    return 0


def print_request(config: EvalConfig, models: Sequence[str]) -> int:
    """`--dry-run`: the settings, and what would be sampled of which model. Writes nothing. Raises as `run_eval`."""
    folder = _require_folder(config)
    plans = check_models(config, find_targets(models))
    items = folder / ITEMS
    there = {record["key"] for record in read_jsonl(items)} if items.exists() and not config.run.overwrite else set()
    there |= {draw.key for plan in plans if isinstance(plan, ImportPlan) for draw in plan.draws}
    console = Console(highlight=False, soft_wrap=True)
    console.print(dump_config(config), markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("model", "benchmark", "items", "samples", "there"):
        table.add_column(column)
    for plan in plans:
        samples = dict.fromkeys(config.evaluated_names, 1) | {one.name: one.samples for one in config.evaluation_sets}
        for name, drawn in samples.items():
            own = [draw for draw in plan.draws if draw.benchmark == name]
            done = sum(draw.key in there for draw in own)
            table.add_row(plan.label, name, str(len(own) // drawn), str(len(own)), str(done))
    console.print(table)
    console.print("\n".join(notes_of(plans)), markup=False)
    console.print(f"output  {folder}", markup=False)
    return 0


def _require_folder(config: EvalConfig) -> Path:
    folder = (config.run.dir / config.run.name).resolve()
    require_writable(folder, "run.dir")
    if (folder / "config.yaml").exists() or (folder / "trials.json").exists():
        raise ConfigError(f"run.name: {str(folder)!r} is the folder of a run or a study; choose another name")
    return folder


def _import(plans: Sequence[EvalPlan | ImportPlan], journal: Journal) -> None:
    """Appends what others have sampled."""
    for record in (record for plan in plans if isinstance(plan, ImportPlan) for record in plan.records):
        if record["key"] not in journal:
            journal.append(record)


def _sample_missing(plans: Sequence[EvalPlan], journal: Journal, folder: Path, console: Console) -> list[str]:
    """Appends what is not in the journal yet, model by model; returns what happened meanwhile, in words."""
    missing = [(plan, [draw for draw in plan.draws if draw.key not in journal]) for plan in plans]
    total, left = sum(len(plan.draws) for plan in plans), sum(len(draws) for _, draws in missing)
    if left < total:
        console.print(f"{total - left} of {total} samples are there; {left} to go")
    events: list[str] = []
    if not left:
        return events
    from rayrl.evaluate.sampler import sample
    from rayrl.train.cluster import connect, require_resources

    def tell(event: str, detail: str) -> None:
        events.append(f"{event}: {detail}")
        console.print(events[-1], markup=False)

    with connect() as cluster, closing(AnswerFile(folder / ANSWERS)) as answers, progress_bars(console) as progress:
        for plan, draws in missing:
            require_resources(plan.config, cluster)
            done = len(plan.draws) - len(draws)
            task = progress.add_task(plan.target.label, total=len(plan.draws), completed=done)
            new = [draw for draw in draws if draw.key not in journal]  # not so of the same model under another name

            def take(draw: Draw, row: EvaluationRow, label: str = plan.target.label, task: TaskID = task) -> None:
                journal.append(record_of(draw, row, label))
                progress.advance(task)

            def show(phase: Phase, label: str = plan.target.label, task: TaskID = task) -> None:
                of_many = f": {phase}" if phase.total else ""
                progress.update(task, description=f"{label}{of_many}")

            if new:
                sample(plan, new, take, tell, answers, show)
    return events
