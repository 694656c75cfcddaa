"""What happened, in order, for whoever writes it down: kept until then, because steps hold all their texts."""

import uuid
from typing import Any


class Records:
    """Those that the driver has not yet written down, how many there were in all, and the present phase."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self.token = uuid.uuid4().hex  # of this list: another after the coordinator was restarted
        self.written = 0  # how many the driver has written down
        self._phase: dict[str, Any] = {"phase": "start", "done": 0, "total": 0}

    def add(self, record: dict[str, Any]) -> None:
        self._waiting.append(record)

    def __len__(self) -> int:
        """All that were ever added."""
        return self.written + len(self._waiting)

    def progress(self, phase: str, done: int, total: int) -> None:
        self._phase = {"phase": phase, "done": done, "total": total}

    def after(self, seen: int, token: str) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
        """Records after the first `seen`, which are written down and forgotten; this list's token; the phase.

        With the token of another list, `seen` counts for nothing.
        """
        if token == self.token:
            del self._waiting[: seen - self.written]
            self.written = seen
        return list(self._waiting), self.token, self._phase
