"""Rows to verify as JSON lines: read, checked one by one, fingerprinted; verdicts written so that a run can go on."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayrl.errors import DataError, listed
from rayrl.files import put_in_place
from rayrl.jsonl import JsonLines, read_jsonl
from rayrl.types import Decider, Verdict

FORMAT = 2
"""Of verdicts: a partial file of another format is not resumed."""
FIELDS: dict[str, tuple[type, ...]] = {
    "gold": (str, int, float, bool, list),
    "response": (str,),
    "question": (str, type(None)),
    "scale": (str, type(None)),
    "tolerance": (int, float, type(None)),
}
REQUIRED = ("gold", "response")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the input. line: its number, from 1. columns: the fields of `FIELDS` that it has. id: or None.

    label: whether people call the response correct, or None.
    """

    line: int
    columns: dict[str, Any]
    id: object = None
    label: bool | None = None


def _problem(row: object, label_column: str | None) -> str | None:
    if not isinstance(row, dict):
        return f"a JSON object must stand there, not {json.dumps(row)[:60]}"
    for field, types in FIELDS.items():
        if field not in row:
            if field in REQUIRED:
                return f"no field {field!r}, only {', '.join(map(repr, list(row)[:10])) or 'an empty object'}"
            continue
        value = row[field]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
            return f"{field} is {json.dumps(value)[:60]}; give {wanted}"
        if field == "tolerance" and isinstance(value, int | float) and not 0 <= value < 1:
            return f"tolerance is {value}; give a number from 0 to below 1, such as 0.01"
    label = row.get(label_column) if label_column else None
    if not (label is None or isinstance(label, bool) or (isinstance(label, int) and label in (0, 1))):
        return f"{label_column} is {json.dumps(label)[:60]}; give true, false, 1, 0 or, without a label, null"
    return None


def _parse(line: bytes, label_column: str | None) -> tuple[Any, str | None]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON in UTF-8: {error or type(error).__name__}"
    return row, _problem(row, label_column)


def read_rows(path: Path, label_column: str | None = None) -> Iterator[Row]:
    """The rows of a JSON lines file that `check_rows` has passed; empty lines are none."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = json.loads(line)
                label = row.get(label_column) if label_column else None
                columns = {field: row[field] for field in FIELDS if field in row}
                yield Row(number, columns, row.get("id"), None if label is None else bool(label))


def check_rows(path: Path, label_column: str | None = None) -> str:
    """Reads the whole file and returns its SHA-256.

    Raises:
        DataError: It is not there, has no rows, or has bad ones: line, field and fix of the first ten; or no label.
    """
    digest = hashlib.sha256()
    problems: list[str] = []
    rows = labels = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                digest.update(line)
                if line.strip():
                    rows += 1
                    row, problem = _parse(line, label_column)
                    if problem:
                        problems.append(f"line {number}: {problem}")
                    elif label_column:
                        labels += row.get(label_column) is not None
    except OSError as error:
        raise DataError(f"--input: cannot read {str(path)!r}: {error.strerror}") from error
    if not rows:
        raise DataError(f"--input: {str(path)!r} has no rows; give JSON lines with 'gold' and 'response'")
    if problems:
        raise DataError(f"--input: {len(problems)} of {rows} rows of {str(path)!r} cannot be used:\n{listed(problems)}")
    if label_column and not labels:
        raise DataError(f"--label-column: no row of {str(path)!r} has {label_column!r}; name the column of labels")
    return digest.hexdigest()


def fingerprint(*what: object) -> str:
    """Of all that verdicts depend on, in a partial file of this `FORMAT`."""
    return hashlib.sha256(json.dumps([FORMAT, *what], sort_keys=True).encode()).hexdigest()


class VerdictFile:
    """Verdicts on their way to `path`: a file beside it, named by `fingerprint`, that becomes `path` once complete.

    Verdicts that an interrupted run of the same fingerprint left there are kept: `done` says how many.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{fingerprint[:16]}.partial")
        self.verdicts: list[tuple[str, float | None, Decider]] = []  # status, score, who decided
        self._lines = JsonLines(self._partial)
        for row in read_jsonl(self._partial):
            self.verdicts.append((row["status"], row["score"], row["decided_by"]))

    @property
    def done(self) -> int:
        return len(self.verdicts)

    def append(self, row: Row, verdict: Verdict) -> None:
        """After this the verdict survives the end of the process."""
        record = {
            "line": row.line,
            **({} if row.id is None else {"id": row.id}),
            "score": verdict.score,
            "status": verdict.status,
            "extracted": verdict.extracted,
            "reason": verdict.reason,
            "decided_by": verdict.decided_by,
        }
        self._lines.append(record)
        self.verdicts.append((verdict.status, verdict.score, verdict.decided_by))

    def finish(self) -> None:
        """Gives the complete file its name."""
        self.close()
        put_in_place(self._partial, self._path)

    def close(self) -> None:
        self._lines.close()
