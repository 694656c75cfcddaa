"""Rows that cannot be used as they are: one kind of error, and one list of them."""

from collections import Counter
from collections.abc import Mapping

from rayrl.config import DatasetSettings
from rayrl.errors import ConfigError, DataError

MAX_SHOWN = 10


class UnusableRow(DataError):
    """One row cannot be used. `kind` says why in the words of counts, the message what is wrong with this row."""

    def __init__(self, kind: str, reason: str = "") -> None:
        super().__init__(reason or kind)  # from one argument too, as pickle makes it
        self.kind = kind


class NoColumn(UnusableRow, ConfigError):
    """A template names a column that the row lacks: the template's fault, where no row has it."""

    exit_code = ConfigError.exit_code

    def __init__(self, reason: str) -> None:
        super().__init__("a column of a template is missing", reason)


class BadRows:
    """The unusable rows of one dataset: an error that lists them, or left out and counted.

    Args:
        field: Config field of the dataset.
        fixes: Kind -> what can be done about it, beside mending the rows and leaving them out.
    """

    def __init__(self, field: str, fixes: Mapping[str, str]) -> None:
        self.field, self.fixes = field, fixes
        self._found: dict[str, tuple[str, str]] = {}
        self._without_column: str | None = None

    def add(self, name: str, error: UnusableRow) -> None:
        if not self._found and isinstance(error, NoColumn):
            self._without_column = str(error)
        self._found[name] = error.kind, str(error)  # not the error: its frames hold the row

    def left_out(self) -> dict[str, list[str]]:
        """Why -> names."""
        found: dict[str, list[str]] = {}
        for name, (kind, _) in self._found.items():
            found.setdefault(f"{self.field}: {kind}", []).append(name)
        return found

    def require_few(self, data: DatasetSettings, any_left: bool) -> None:
        """Raises what is wrong where rows are bad and not to be skipped, or where no other row is left."""
        if not self._found or (data.bad_golds == "skip" and any_left):
            return
        if self._without_column and not any_left:
            raise NoColumn(self._without_column)
        raise DataError(self._message())

    def _message(self) -> str:
        kinds = {kind for kind, _ in self._found.values()}
        what = "have no answer to learn" if kinds == {NO_ANSWER} else "cannot be used"
        same = Counter(reason for _, reason in self._found.values()).most_common(1)[0][1]
        alike = f" ({same} for the same reason)" if same > 1 else ""
        count = len(self._found)
        listed = "".join(f"\n  {name}: {reason}" for name, (_, reason) in list(self._found.items())[:MAX_SHOWN])
        more = f"\n  and {count - MAX_SHOWN} more" if count > MAX_SHOWN else ""
        fixes = "".join(f"{fix}, " for fix in dict.fromkeys(self.fixes[kind] for kind in self.fixes if kind in kinds))
        return (
            f"{self.field}: {count} rows {what}{alike}:{listed}{more}\n"
            f"mend them, {fixes}or leave them out by {self.field}.bad_golds: skip"
        )


NO_QUESTION = "no question"
NO_ANSWER = "no answer"
NO_TEXT = "a column of a template holds no text"
NO_CHAT = "no chat of messages with role and content"
EMPTY_MESSAGE = "a message without text"
REFUSED = "refused by the chat template"
UNWRITTEN = "tools or tool calls that the chat template does not write"
