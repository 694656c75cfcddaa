"""A model that others evaluated by lm-evaluation-harness, beside those that are evaluated here: nothing is sampled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayrl.config import EvalConfig
from rayrl.errors import ConfigError
from rayrl.evaluate.digests import digest
from rayrl.evaluate.draws import Draw, record_of
from rayrl.evaluate.harness_tasks import HarnessTask
from rayrl.evaluate.logged_samples import LoggedModel, logged_rows
from rayrl.jsonl import Record


@dataclass(frozen=True)
class ImportPlan:
    """Its answers, whole. records: lines of items.jsonl, one for each of `draws`."""

    config: EvalConfig
    label: str
    draws: list[Draw]
    records: list[Record]
    notes: list[str]


def plan_import(config: EvalConfig, model: LoggedModel, tasks: Mapping[str, HarnessTask]) -> ImportPlan:
    """The answers of a model to the benchmarks that are tasks of lm-evaluation-harness.

    Args:
        config: The settings.
        model: Where they are.
        tasks: Those of each benchmark, by its name.

    Raises:
        ConfigError: They are to none of the benchmarks.
        DataError: A file is not one of lm-eval's.
    """
    names = {name: list(one.tasks) for name, one in tasks.items()}
    asked = {task for own in names.values() for task in own}
    if not asked & model.files.keys():
        raise ConfigError(
            f"{model.label}: its samples are of {', '.join(sorted(model.files))}, and no benchmark is one of these "
            f"tasks; name one (benchmarks.NAME.lm_eval: {min(model.files)})"
        )
    draws: list[Draw] = []
    records: list[Record] = []
    for name, own in names.items():
        rows: list[dict[str, Any]] = []
        for task in own:
            if task in model.files:
                rows += logged_rows(model.files[task], task, config.harness_tasks[name].metric)
        for index, row in enumerate(rows):
            draws.append(Draw(digest(["logged by lm-eval", row]), name, index, 0))
            records.append(record_of(draws[-1], row, model.label))
    return ImportPlan(config, model.label, draws, records, [*model.notes, *_left_out(config, model, names)])


def _left_out(config: EvalConfig, model: LoggedModel, names: Mapping[str, list[str]]) -> list[str]:
    """What of the benchmarks or of its files is not compared, in words."""
    said = []
    for name in config.evaluated_names:
        missing = [task for task in names.get(name, []) if task not in model.files]
        if name not in names or len(missing) == len(names[name]):
            said.append(f"has no samples of {name}")
        elif missing:
            said.append(f"has no samples of {len(missing)} of {len(names[name])} tasks of {name} ({missing[0]}, …)")
    stray = sorted(model.files.keys() - {task for own in names.values() for task in own})
    return said + ([f"samples of {', '.join(stray)} are of no benchmark here, and not read"] if stray else [])
