"""JSON lines that survive a kill: what was appended is there when the command goes on, and is not made again."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

Record = dict[str, Any]


class Journal:
    """Records in a file, each with a `key`. A last line that a kill cut off is dropped, so that it is made anew."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key
        self.done: set[str] = set()
        kept = 0
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self.done.add(json.loads(line)[key])
                    kept += len(line)
        self._file: IO[bytes] = path.open("r+b" if path.exists() else "wb")
        self._file.truncate(kept)
        self._file.seek(kept)

    def append(self, record: Record) -> None:
        """After this the record survives the end of the process."""
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        self.done.add(record[self._key])

    def __iter__(self) -> Iterator[Record]:
        yield from read_jsonl(self.path)

    def close(self) -> None:
        self._file.close()


def read_jsonl(path: Path) -> Iterator[Record]:
    """The records of a file, one after another."""
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Writes a whole file or none, and returns the number of its records."""
    draft = path.with_name(f".{path.name}.draft")
    count = 0
    with draft.open("wb") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return count
