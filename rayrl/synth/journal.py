"""JSON lines that survive a kill: what was appended is there when the command goes on, and is not made again."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

Record = dict[str, Any]


class Journal:
    """Records on disk by their field `key`. A last line that a kill cut off is dropped, so that it is made anew."""

    def __init__(self, path: Path) -> None:
        self._places: dict[str, int] = {}
        self._end = 0
        self._file: IO[bytes] = path.open("r+b" if path.exists() else "w+b")
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            self._places[json.loads(line)["key"]] = self._end
            self._end += len(line)
        self._file.truncate(self._end)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Record:
        self._file.seek(self._places[key])
        record: Record = json.loads(self._file.readline())
        return record

    def append(self, record: Record) -> None:
        """After this the record survives the end of the process."""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        self._file.seek(self._end)
        self._file.write(line)
        self._file.flush()
        self._places[record["key"]] = self._end
        self._end += len(line)

    def close(self) -> None:
        self._file.close()


def read_jsonl(path: Path) -> Iterator[Record]:
    """The records of a file, one after another."""
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Writes a whole file or none."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
