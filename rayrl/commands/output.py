"""`--output`: rows as JSON lines, in place once they are whole."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rayrl.errors import ConfigError
from rayrl.files import draft_of
from rayrl.folders import require_writable
from rayrl.jsonl import encode_line

Write = Callable[[Mapping[str, Any]], object]


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


def open_output(path: Path | None, overwrite: bool, option: str = "--output") -> AbstractContextManager[Write]:
    """A context whose value writes one row; without a path it takes rows and keeps none.

    Raises:
        ConfigError: As `require_output`, at once.
    """
    if path is None:
        return nullcontext(lambda row: None)
    require_output(path, overwrite, option)
    return _rows(path)


@contextmanager
def _rows(path: Path) -> Iterator[Write]:
    with draft_of(path) as draft, draft.open("wb") as file:
        yield lambda row: file.write(encode_line(row))
