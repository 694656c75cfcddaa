"""Where rows come from: reasoning_gym, local files, the hub, or a function of the user's."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rayrl.config import DatasetSettings
from rayrl.errors import ConfigError, DataError
from rayrl.plugins import is_import_path, load

Row = dict[str, Any]


def load_rows(settings: DatasetSettings, field: str) -> list[Row]:
    """All rows of a dataset, at most `settings.size`, each with a question and an answer.

    Args:
        settings: Names the source.
        field: The config field, for error messages (`train_data`).

    Raises:
        ConfigError: The source's own options are wrong.
        DataError: No such file, a broken row, a row without question or answer, or no rows at all.
    """
    rows = list(iterate_rows(settings, field))
    for column in {settings.question_column, settings.answer_column}:
        without = [index for index, row in enumerate(rows) if row.get(column) in (None, "")]
        if without:
            raise DataError(
                f"{field}: {len(without)} of {len(rows)} rows have no {column!r} (first: row {without[0]}, which has "
                f"{', '.join(rows[without[0]])}); set {field}.question_column / answer_column"
            )
    return rows


def iterate_rows(settings: DatasetSettings, field: str) -> Iterator[Row]:
    """The rows one after another, in memory that does not grow with their number. Raises as `load_rows` does."""
    nothing = True
    for row in islice(_source(settings, field), settings.size):
        nothing = False
        yield row
    if nothing:
        raise DataError(f"{field}.source: {settings.source!r} holds no rows; give a dataset with at least one")


def _source(settings: DatasetSettings, field: str) -> Iterable[Row]:
    source = settings.source
    if source.startswith("reasoning_gym:"):
        return _reasoning_gym(settings, field)
    if is_import_path(source):
        function: Callable[..., Iterable[Row]] = load(source, f"{field}.source")
        return function(**settings.options)
    path = Path(source)
    if path.suffix == ".jsonl":
        return _jsonl(path, field)
    if path.suffix == ".parquet":
        return _parquet(path, field)
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


def _existing(path: Path, field: str) -> Path:
    if not path.is_file():
        raise DataError(f"{field}.source: file {str(path)!r} does not exist")
    return path


def _jsonl(path: Path, field: str) -> Iterable[Row]:
    with _existing(path, field).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{field}.source: {path}:{number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{field}.source: {path}:{number} holds {type(row).__name__}, not an object")
            yield row


def _parquet(path: Path, field: str) -> Iterable[Row]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(_existing(path, field)) as file:
        for batch in file.iter_batches(1024):
            yield from batch.to_pylist()


def _hub(settings: DatasetSettings, field: str) -> Iterable[Row]:
    if settings.source.count("/") != 1 or settings.source.startswith((".", "/")):
        raise DataError(
            f"{field}.source: {settings.source!r} is no .jsonl or .parquet file, 'reasoning_gym:TASK', "
            "'package.module:function' or hub name 'owner/dataset'"
        )
    import datasets

    try:
        dataset = datasets.load_dataset(settings.source, **({"split": "train"} | settings.options))
    except Exception as error:  # the hub client has dozens of its own
        raise DataError(f"{field}.source: cannot load {settings.source!r} from the hub: {error}") from error
    return (dict(row) for row in dataset)
