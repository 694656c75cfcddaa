"""Numbers of a run: the append-only `metrics.jsonl` and the 95 % intervals that go with them. No torch, no Ray."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from types import TracebackType
from typing import Any, Self

from rayrl.errors import DataError

Z95 = 1.959963984540054
# 97.5 % quantiles of Student's t for 1..10 degrees of freedom; above, Fisher's expansion is good to 2e-4.
T975 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def wilson_interval(correct: float, total: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927): (low, high), both in 0..1.

    total 0 says nothing: (0, 1). Raises ValueError unless 0 <= correct <= total.
    """
    if not 0 <= correct <= total:
        raise ValueError(f"correct ({correct}) must lie in 0..total ({total})")
    if total == 0:
        return 0.0, 1.0
    share = correct / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high


def t_quantile(degrees: int) -> float:
    """97.5 % quantile of Student's t with `degrees` >= 1 degrees of freedom (Abramowitz & Stegun 26.7.5)."""
    if degrees <= len(T975):
        return T975[degrees - 1]
    z = Z95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with Student's 95 % interval: (mean, low, high), in the unit of `values`, which must be independent
    (for rewards: one value a group, not one a completion).

    What cannot be said is NaN: all three for no value, low and high for one value.
    """
    if not values:
        return math.nan, math.nan, math.nan
    mean = fmean(values)
    if len(values) == 1:
        return mean, math.nan, math.nan
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


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
