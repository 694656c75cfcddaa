"""A config's dataset section -> rows: of a set with a name here, reasoning_gym, local files, the hub, or a function."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rayrl.config import DatasetSettings
from rayrl.data.files import SUFFIXES, read_files
from rayrl.data.hub import read_hub
from rayrl.data.registry import SETS, read_set
from rayrl.data.row import LeftOut, Row
from rayrl.errors import ConfigError, DataError
from rayrl.plugins import is_import_path, load


def iterate_rows(settings: DatasetSettings, field: str) -> Iterator[Row | LeftOut]:
    """The rows one after another, in memory that does not grow with their number, and those that filters removed.

    Args:
        settings: Names the source. At most `settings.size` rows, those that were removed not counted.
        field: The config field, for error messages (`train_data`).

    Raises:
        ConfigError: The source's own options are wrong.
        DataError: No such file, a broken row, or no rows at all.
    """
    kept = removed = 0
    for row in _source(settings, field):
        if kept == settings.size:
            return
        kept, removed = (kept, removed + 1) if isinstance(row, LeftOut) else (kept + 1, removed)
        yield row
    if not kept:
        filtered = f" that {field}.options keep ({removed} removed)" if removed else ""
        raise DataError(
            f"{field}.source: {settings.source!r} holds no rows{filtered}; give a dataset with at least one"
        )


def _source(settings: DatasetSettings, field: str) -> Iterable[Row | LeftOut]:
    source = settings.source
    if source.partition(":")[0] in SETS:
        return read_set(settings, field)
    if source.startswith("reasoning_gym:"):
        return _reasoning_gym(settings, field)
    if is_import_path(source):
        function: Callable[..., Iterable[Row]] = load(source, f"{field}.source")
        return function(**settings.options)
    if Path(source).suffix in SUFFIXES:
        return read_files(source, field)
    return _hub(settings, field)


def _reasoning_gym(settings: DatasetSettings, field: str) -> Iterable[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        import reasoning_gym

    task = settings.source.partition(":")[2]
    options = {"size": settings.size or 1000, "seed": settings.seed, **settings.options}
    try:
        dataset = reasoning_gym.create_dataset(task, **options)
    except (ValueError, TypeError, AssertionError) as error:
        raise ConfigError(f"{field}: reasoning_gym task {task!r} with {settings.options!r}: {error}") from error
    return ({"question": row["question"], "answer": str(row["answer"]), **_solution(row)} for row in dataset)


def _solution(row: Row) -> Row:
    solution = row["metadata"].get("answer_cot")
    return {"solution": solution} if solution else {}


def _hub(settings: DatasetSettings, field: str) -> Iterable[Row]:
    if settings.source.count("/") != 1 or settings.source.startswith((".", "/")):
        raise DataError(
            f"{field}.source: {settings.source!r} is no file of {', '.join(SUFFIXES)}, no 'reasoning_gym:TASK', "
            f"'package.module:function' or hub name 'owner/dataset', and none of {', '.join(SETS)}"
        )
    return read_hub(settings.source, field, **({"split": "train"} | settings.options))
