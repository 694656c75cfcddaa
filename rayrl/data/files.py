"""Rows of local files, one after another: .jsonl, .json (one list), .parquet, .csv."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import IO

from rayrl.data.row import FileRow, Row
from rayrl.errors import DataError

ROWS_PER_READ = 128


def read_files(pattern: str, field: str, csv_columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of one file, or of all files that a pattern (`extended/*.parquet`) matches, in order of their names.

    Args:
        pattern: File or pattern.
        field: The config field that names it, for messages.
        csv_columns: Columns of .csv files that have no header; such rows also get `file`, the file's name without .csv.

    Raises:
        DataError: No such file, one of another kind, or a broken row.
    """
    is_pattern = has_magic(pattern) and not Path(pattern).is_file()
    paths = [Path(found) for found in sorted(glob(pattern, recursive=True))] if is_pattern else [Path(pattern)]
    if not paths:
        raise DataError(f"{field}.source: no file matches {pattern!r}")
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise DataError(f"{field}.source: {str(path)!r} must be a file (or pattern) of {', '.join(SUFFIXES)}")
        if not path.is_file():
            raise DataError(f"{field}.source: file {str(path)!r} does not exist")
    for path in paths:
        if path.suffix == ".csv":
            yield from _csv(path, field, csv_columns)
        else:
            yield from _READERS[path.suffix](path, field)


@contextmanager
def _opened(path: Path, field: str) -> Iterator[IO[str]]:
    """Text in UTF-8, with or without a byte order mark. Raises DataError where it is in another encoding."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield text
    except OSError as error:
        raise DataError(f"{field}.source: file {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{field}.source: {path}:{_undecodable(path)} is not UTF-8; save the file as UTF-8, as by "
            "`iconv -f WINDOWS-1252 -t UTF-8`"
        ) from error


def _undecodable(path: Path) -> int:
    """The first line that is not UTF-8."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _jsonl(path: Path, field: str) -> Iterator[Row]:
    with _opened(path, field) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{path}:{number}"
                yield FileRow(_object(line, place, field), place)


def _object(text: str, where: str, field: str) -> Row:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{field}.source: {where} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{field}.source: {where} holds {type(row).__name__}, not an object")
    return row


def _json(path: Path, field: str) -> Iterator[Row]:
    try:
        with _opened(path, field) as text:
            rows = json.load(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{field}.source: {path} is not JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{field}.source: {path} holds {type(rows).__name__}, not a list of objects")
    yield from rows


def _parquet(path: Path, field: str) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except OSError as error:
        raise DataError(f"{field}.source: file {str(path)!r} cannot be read: {error}") from error
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{field}.source: {path} is not Parquet: {error}") from error
    with file:
        for batch in file.iter_batches(ROWS_PER_READ):
            yield from batch.to_pylist()


def _csv(path: Path, field: str, columns: Sequence[str] | None) -> Iterator[Row]:
    with _opened(path, field) as lines:
        reader = csv.DictReader(lines, columns)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"{field}.source: {path}:{reader.line_num} has more or fewer cells than {reader.fieldnames}"
                    )
                columns_of_row = row if columns is None else {**row, "file": path.stem}
                yield FileRow(columns_of_row, f"{path}:{reader.line_num}")
        except csv.Error as error:
            raise DataError(
                f"{field}.source: {path}:{reader.reader.line_num} is not CSV that can be read: {error}; "
                ".jsonl and .parquet take texts of any length"
            ) from error


_READERS: dict[str, Callable[[Path, str], Iterator[Row]]] = {".jsonl": _jsonl, ".json": _json, ".parquet": _parquet}
SUFFIXES = (*_READERS, ".csv")
