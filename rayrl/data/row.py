"""What a dataset gives: a row, or why one of its rows is not used."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that a filter of its dataset removed. Whoever reads the rows counts and lists it."""

    reason: str
