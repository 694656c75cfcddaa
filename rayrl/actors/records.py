"""What happened, in order, for the driver to write down: kept until then, because steps hold all their texts."""

import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Phase:
    """What a run is doing at present, and how far it is."""

    name: str
    done: int = 0
    total: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.done}/{self.total}" if self.total else self.name


class News(NamedTuple):
    """What the coordinator tells the driver."""

    records: list[dict[str, Any]]
    token: str  # of the list that they are of: another after the coordinator was restarted
    phase: Phase
    failure: BaseException | None  # what ended the run


class Records:
    """Those that the driver has not yet written down, how many there were in all, and the present phase."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self.token = uuid.uuid4().hex
        self.written = 0  # how many the driver has written down
        self.phase = Phase("start")

    def add(self, record: dict[str, Any]) -> None:
        self._waiting.append(record)

    def add_event(self, event: str, detail: str) -> None:
        """One of kind `event`, cut at 300 characters."""
        self.add({"kind": "event", "event": event, "detail": detail[:300]})

    def __len__(self) -> int:
        """All that were ever added."""
        return self.written + len(self._waiting)

    def after(self, seen: int, token: str) -> list[dict[str, Any]]:
        """Records after the first `seen`, which are written down and forgotten.

        With the token of another list, `seen` counts for nothing.
        """
        if token == self.token:
            del self._waiting[: seen - self.written]
            self.written = seen
        return list(self._waiting)
