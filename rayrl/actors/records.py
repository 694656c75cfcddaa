"""What happened, in order, for whoever asks: the coordinator keeps it, the driver writes it down."""

import uuid
from typing import Any


class Records:
    """An append-only list and the present phase."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self.token = uuid.uuid4().hex  # of this list: another after the coordinator was restarted
        self.written = 0  # how many the driver has written down
        self._phase: dict[str, Any] = {"phase": "start", "done": 0, "total": 0}

    def add(self, record: dict[str, Any]) -> None:
        self._records.append(record)

    def __len__(self) -> int:
        return len(self._records)

    def progress(self, phase: str, done: int, total: int) -> None:
        self._phase = {"phase": phase, "done": done, "total": total}

    def after(self, seen: int, token: str) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
        """Records after the first `seen`, which are written down; this list's token; the phase.

        With the token of another list, `seen` counts for nothing.
        """
        self.written = seen if token == self.token else 0
        return self._records[self.written :], self.token, self._phase
