"""`--output`: rows as JSON lines, written aside and put in place when whole."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from rayrl.errors import ConfigError
from rayrl.folders import require_writable


def require_output(path: Path, overwrite: bool, option: str = "--output") -> None:
    """Raises ConfigError where the file exists and is not to be replaced, or its folder is not there or read-only."""
    if path.is_dir():
        raise ConfigError(f"{option}: {str(path)!r} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise ConfigError(f"{option}: {str(path)!r} exists; name another file or add --overwrite")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"{option}: the folder {str(folder)!r} is not there; make it first")
    require_writable(folder, option)


class Output:
    """A context manager; without a path it takes rows and keeps none.

    Raises:
        ConfigError: As `require_output`.
    """

    def __init__(self, path: Path | None, overwrite: bool, option: str = "--output") -> None:
        self._path = path
        self._file: IO[str] | None = None
        if path is None:
            return
        require_output(path, overwrite, option)
        self._aside = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> Self:
        if self._path is not None:
            self._file = self._aside.open("w", encoding="utf-8")
        return self

    def write(self, row: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is None or self._file is None:
            return
        self._file.close()
        if kind is None:
            self._aside.replace(self._path)
        else:
            self._aside.unlink()
