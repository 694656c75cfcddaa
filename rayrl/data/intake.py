"""The rows of a dataset on their way into prompts, examples or texts: what is not used is counted, and listed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from rayrl.config import DatasetSettings
from rayrl.data.row import INCOMPLETE, NO_ANSWER, LeftOut, MissingColumn, Row, RowError, in_brackets, place_of
from rayrl.data.sources import iterate_rows
from rayrl.data.template import is_blank
from rayrl.errors import MAX_SHOWN, DataError, listed

T = TypeVar("T")


class Intake:
    """Makes something of each row of one dataset.

    Args:
        data: The dataset.
        field: Its config field, for messages and names of rows.
        fixes: Kind of row error -> what can be done about it, beside mending the rows and leaving them out.
    """

    def __init__(self, data: DatasetSettings, field: str, fixes: Mapping[str, str]) -> None:
        self.data, self.field, self._fixes = data, field, fixes
        self._removed: dict[str, list[str]] = {}
        self._bad: dict[str, tuple[str, str]] = {}
        self._places: dict[str, str] = {}
        self._missing_column: str | None = None
        self._last_incomplete: Row = {}

    def read(self, make: Callable[[int, Row], T | LeftOut]) -> Iterator[T]:
        """What `make` gives for the number of a row and the row. A row that it leaves out, or that it raises RowError
        for, is noted. Raises as `iterate_rows`.
        """
        for index, row in enumerate(iterate_rows(self.data, self.field)):
            try:
                made = row if isinstance(row, LeftOut) else make(index, row)
            except RowError as error:
                self._add_error(self.name(index), error)
            else:
                if not isinstance(made, LeftOut):
                    yield made
                    continue
                self.note(made.reason, index)
            self._places[self.name(index)] = place_of(row)

    def name(self, index: int) -> str:
        return f"{self.field}-{index}"

    def note(self, reason: str, index: int) -> None:
        """Counts a row that is not used, or not as it is."""
        self._removed.setdefault(reason, []).append(self.name(index))

    def complete(self, row: Row) -> Row | LeftOut:
        """The row's columns with the names `question` and `answer`, where neither of the configured ones is blank.

        A row that lacks `answer_column` and has a column `answer` is incomplete: the setting names another.
        """
        if any(is_blank(row.get(name)) for name in (self.data.question_column, self.data.answer_column)):
            self._last_incomplete = row
            return LeftOut(INCOMPLETE)
        return name_columns(row, self.data)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why -> names of rows."""
        bad: dict[str, list[str]] = {}
        for name, (kind, _) in self._bad.items():
            bad.setdefault(kind, []).append(name)
        return self._removed | bad

    @property
    def left_out(self) -> dict[str, list[str]]:
        """The same, each reason with the config field before it."""
        return {f"{self.field}: {reason}": names for reason, names in self.reasons.items()}

    def require_good(self, any_left: bool) -> None:
        """Raises what is wrong where rows are bad and not to be skipped, or where no other row is left.

        Raises:
            DataError: With the rows, and what can be done.
            ConfigError: A template names a column that no row has.
        """
        if self.data.bad_golds == "skip" and any_left:
            return
        if incomplete := self._removed.get(INCOMPLETE):
            places = ", ".join(filter(None, (self._places[name] for name in incomplete[:MAX_SHOWN])))
            columns = ", ".join(map(str, self._last_incomplete))
            raise DataError(
                f"{self.field}: {len(incomplete)} rows have no {self.data.question_column!r} or no "
                f"{self.data.answer_column!r} ({', '.join(incomplete[:MAX_SHOWN])}; "
                f"{places and f'at {places}; '}columns of the last: {columns}); set {self.field}.question_column / "
                f"answer_column, or leave them out by {self.field}.bad_golds: skip"
            )
        if self._missing_column and not any_left:
            raise MissingColumn(self._missing_column)
        if self._bad:
            raise DataError(self._message())

    def _add_error(self, name: str, error: RowError) -> None:
        if not self._bad and isinstance(error, MissingColumn):
            self._missing_column = str(error)
        self._bad[name] = error.kind, str(error)  # not the error: its frames hold the row

    def _message(self) -> str:
        kinds = {kind for kind, _ in self._bad.values()}
        what = "have no answer to learn" if kinds == {NO_ANSWER} else "cannot be used"
        same = Counter(reason for _, reason in self._bad.values()).most_common(1)[0][1]
        alike = f" ({same} for the same reason)" if same > 1 else ""
        count = len(self._bad)
        problems = listed(
            [f"{name}: {reason}{in_brackets(self._places[name])}" for name, (_, reason) in self._bad.items()]
        )
        fixes = "".join(f"{fix}, " for fix in dict.fromkeys(self._fixes[kind] for kind in self._fixes if kind in kinds))
        return (
            f"{self.field}: {count} rows {what}{alike}:\n{problems}\n"
            f"mend them, {fixes}or leave them out by {self.field}.bad_golds: skip"
        )


def name_columns(row: Row, data: DatasetSettings) -> Row:
    """The row's columns, with those of `question_column` and `answer_column` by the names `question` and `answer`.

    A column of such a name that is not the one configured is left out.
    """
    named = {"question": data.question_column, "answer": data.answer_column}
    own = {name: value for name, value in row.items() if named.get(name, name) == name}
    return own | {name: row[column] for name, column in named.items() if column in row}
