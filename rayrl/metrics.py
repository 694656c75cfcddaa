"""Numbers of a run: the append-only `metrics.jsonl`. No torch, no Ray."""

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rayrl.errors import DataError


class JsonLines:
    """Appends objects to a JSON-lines file, one `write` call each, so that a kill can tear only the last line.

    Opening it removes a line that an earlier process left torn. Numbers that are not finite become null.
    Raises OSError where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(path)
        self.path = path
        self._file = path.open("ab", buffering=0)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one object. Scalars of numpy or torch become numbers."""
        line = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False) + "\n"
        self._file.write(line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        self._file.close()


class MetricsLog:
    """metrics.jsonl, opened to append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = JsonLines(path)

    def append(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write `{"kind", "step", "time" (UTC, ISO 8601), **values}`."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._lines.append({"kind": kind, "step": step, "time": now, **values})

    def close(self) -> None:
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _finite(value: Any) -> Any:
    """The same tree as JSON can hold it: not finite -> None, 0-dimensional arrays -> numbers."""
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):
        return _finite(value.item())
    return str(value)


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All objects of a JSON-lines file in order, without a last line that a kill has torn.

    Raises DataError, with file and line, where any other line is not a JSON object; OSError where there is no file.
    """
    # bytes, not str.splitlines: that would also split at U+2028 within a text
    lines = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8", "replace"))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{path}:{number}: not JSON ({error}); remove this line") from error
        if not isinstance(record, dict):
            raise DataError(
                f"{path}:{number}: a JSON object is wanted, found {type(record).__name__}; remove this line"
            )
        records.append(record)
    return records


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Records of a `metrics.jsonl` in order of writing. Of one (kind, step) only the last is kept, since a resumed run
    repeats steps; of kind "event" all are. Errors as of `read_jsonl`.
    """
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, record in enumerate(read_jsonl(path)):
        kind, step = record.get("kind"), record.get("step")
        key = (kind, step, number) if kind == "event" else (kind, step)
        kept.pop(key, None)
        kept[key] = record
    return list(kept.values())
