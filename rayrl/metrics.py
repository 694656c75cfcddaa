"""Numbers of a run: the append-only `metrics.jsonl`. No torch, no Ray."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rayrl.jsonl import JsonLines, read_jsonl
from rayrl.metric_table import find_metric


class MetricsLog:
    """metrics.jsonl, opened to append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = JsonLines(path)

    def append(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write `{"kind", "step", "time" (UTC, ISO 8601), **values}`.

        Raises ValueError where a figure (its name has a slash) is not in `rayrl.metric_table`.
        """
        for name in values:
            if "/" in name:
                find_metric(name)
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
