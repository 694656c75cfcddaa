"""What a dataset gives: a row, or why one of its rows is not used."""

from dataclasses import dataclass
from typing import Any

from rayrl.errors import ConfigError, DataError

Row = dict[str, Any]


class FileRow(Row):
    """A row of a file that is read line by line. place: `FILE:LINE`, the line from 1."""

    def __init__(self, columns: Row, place: str) -> None:
        super().__init__(columns)
        self.place = place


def place_of(row: object) -> str:
    """`FILE:LINE` of a row; empty where it is of no such file."""
    return row.place if isinstance(row, FileRow) else ""


def in_brackets(place: str) -> str:
    """To be put behind what is said of a row."""
    return f" ({place})" if place else ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that a filter or a limit removed. Whoever reads the rows counts and lists it."""

    reason: str


class RowError(DataError):
    """One row cannot be used. `kind` says why in the words of counts, the message what is wrong with this row."""

    def __init__(self, kind: str, reason: str = "") -> None:
        super().__init__(reason or kind)  # from one argument too, as pickle makes it
        self.kind = kind


class MissingColumn(RowError, ConfigError):
    """A template names a column that the row lacks: the template's fault, where no row has it."""

    exit_code = ConfigError.exit_code

    def __init__(self, reason: str) -> None:
        super().__init__("a column of a template is missing", reason)


INCOMPLETE = "no question or no answer"
NO_QUESTION = "no question"
NO_ANSWER = "no answer"
NO_TEXT = "a column of a template holds no text"
NO_CHAT = "no chat of messages with role and content"
EMPTY_MESSAGE = "a message without text"
REFUSED = "refused by the chat template"
EMPTY_PROMPT = "a prompt without text"
UNWRITTEN = "tools or tool calls that the chat template does not write"
