"""JSON lines: one object a line, appended so that a kill tears only the last one, or written as a whole file."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rayrl.errors import DataError
from rayrl.files import draft_of

Record = dict[str, Any]


class JsonLines:
    """Appends objects to a file, one `write` call each, so that a kill can tear only the last line.

    Opening it removes a line that an earlier process left torn. Raises OSError where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._file.truncate(_whole_lines(path))

    def append(self, record: Mapping[str, Any]) -> int:
        """Writes one object; after this it survives the end of the process. Returns where its line begins, in bytes."""
        line = encode_line(record)
        self._file.write(line)
        return self._file.tell() - len(line)

    def close(self) -> None:
        self._file.close()


class Journal:
    """Records on disk by their field `key`: what was appended is found again after a kill."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._file: IO[bytes] = path.open("rb")
        self._places: dict[str, int] = {}
        place = 0
        for line in self._file:
            self._places[json.loads(line)["key"]] = place
            place += len(line)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __getitem__(self, key: str) -> Record:
        self._file.seek(self._places[key])
        record: Record = json.loads(self._file.readline())
        return record

    def append(self, record: Record) -> None:
        self._places[record["key"]] = self._lines.append(record)

    def close(self) -> None:
        self._lines.close()
        self._file.close()


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes a whole file or none."""
    with draft_of(path) as draft, draft.open("wb") as file:
        file.writelines(map(encode_line, records))


def read_jsonl(path: Path) -> Iterator[Record]:
    """The objects of a file one after another, without a last line that a kill has torn.

    Raises DataError, with file and line, where any other line is not a JSON object; OSError where there is no file.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8", "replace"))
            except json.JSONDecodeError as error:
                if not line.endswith(b"\n"):
                    return
                raise DataError(f"{path}:{number}: not JSON ({error}); remove this line") from error
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}:{number}: a JSON object is wanted, found {type(record).__name__}; remove this line"
                )
            yield record


def encode_line(record: Mapping[str, Any]) -> bytes:
    """One line. Not finite -> null; scalars of numpy or torch -> numbers; what JSON has no form for -> a string."""
    try:
        text = _ENCODER.encode(record)
    except (TypeError, ValueError):
        text = _ENCODER.encode(_plain(record))
    return (text + "\n").encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """The same tree as JSON can hold it."""
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _whole_lines(path: Path) -> int:
    """Bytes up to the end of the last line that is whole."""
    end = 0
    with path.open("rb") as lines:
        for line in lines:
            end += len(line) if line.endswith(b"\n") else 0
    return end
