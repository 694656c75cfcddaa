"""What happened, in order, for whoever asks: the coordinator keeps it, the driver writes it down."""

from typing import Any


class Records:
    """An append-only list and the present phase."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._phase: dict[str, Any] = {"phase": "start", "done": 0, "total": 0}

    def add(self, record: dict[str, Any]) -> None:
        self._records.append(record)

    def progress(self, phase: str, done: int, total: int) -> None:
        self._phase = {"phase": phase, "done": done, "total": total}

    def after(self, seen: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Records after the first `seen`, and the phase."""
        return self._records[seen:], self._phase
