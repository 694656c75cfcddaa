"""`{column}` of a template replaced by a row's column. What is no text is refused, never printed as Python would."""

import json
import math
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from rayrl.data.row import NO_TEXT, MissingColumn, RowError

_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_NAME = re.compile(r"[^.\[!:]*")
_KEY = re.compile(r"\.([^.\[]+)|\[([^\]]+)\]")
_REFERENCE = re.compile(r"[^\W\d]\w*(?:[.\[][^!:]*)?(?:![rsa])?(?::.*)?", re.DOTALL)


def fill(template: str, columns: Mapping[str, Any], field: str) -> str:
    r"""`{column}` replaced by the row's column, also `{column[key]}` and `{column:.2f}`.

    `{{` and `}}` are single braces. Braces around what is neither a column nor a plain word (`\boxed{}`,
    `\frac{1}{2}`, `{"answer": 1}`) stay as they are.

    Args:
        template: The text.
        columns: Of the row.
        field: Config field of the template, for messages.

    Raises:
        MissingColumn: A word in braces is no column of the row.
        RowError: A column has no text: it is null, or a mapping.
    """
    formatter = _Columns(template, field, columns)
    filled: list[str] = []
    at = opened = 0
    for part in _PARTS.finditer(template):
        filled.append(template[at : part.start()])
        at = part.end()
        if part[0] == "{{":
            opened += 1
            filled.append("{")
        elif part[0] == "}}":
            filled.append("}" if opened else "}}")
            opened -= opened > 0
        else:
            filled.append(formatter.replaced(part[0], part[1]))
    return "".join([*filled, template[at:]])


def find_columns(template: str) -> set[str]:
    """Words in braces: the columns that a template asks for."""
    inner = (part[1] for part in _PARTS.finditer(template) if part[1])
    return {_name(text) for text in inner if _REFERENCE.fullmatch(text)}


def is_null(value: object) -> bool:
    """None, or the NaN that tables write for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_blank(value: object) -> bool:
    """Null, or text of nothing but spaces."""
    return is_null(value) or (isinstance(value, str) and not value.strip())


def _name(reference: str) -> str:
    found = _NAME.match(reference)
    return found[0] if found else ""


class _Columns(string.Formatter):
    """Python's format strings over the columns of one row."""

    def __init__(self, template: str, field: str, columns: Mapping[str, Any]) -> None:
        self.template, self.field, self.columns = template, field, columns

    def replaced(self, braces: str, inner: str) -> str:
        """The text of a part in braces."""
        name = _name(inner)
        if not name or (name not in self.columns and not _REFERENCE.fullmatch(inner)):
            return braces
        try:
            return self.vformat(braces, (), self.columns)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise MissingColumn(
                f"{self.field}: {self.template!r} cannot be filled ({braces}: {error!r}); columns: "
                f"{', '.join(map(str, self.columns))}; {{{braces}}} stands for {braces} as text"
            ) from error

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        reference = _name(field_name)
        value = kwargs[reference]
        for found in _KEY.finditer(field_name, len(reference)):
            self._require_text(value, reference, whole=False)
            reference += found[0]
            value = _entry(value, found[1], found[2])
        self._require_text(value, reference, whole=True)
        return (json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list) else value), reference

    def _require_text(self, value: Any, reference: str, whole: bool) -> None:
        if is_null(value):
            reason = "is null; write an empty text into the row where nothing is meant"
        elif whole and (kind := _structure(value)):
            reason = f"is {kind}, which is no text; name a column with text, or a part of it: {{{reference}[…]}}"
        else:
            return
        raise RowError(NO_TEXT, f"{self.field}: the column {reference} {reason}")


def _entry(value: Any, attribute: str | None, key: str | None) -> Any:
    """`.attribute` or `[key]` of a value; of a mapping both are its entries."""
    if isinstance(value, Mapping):
        return value[attribute or key]
    if key is not None:
        return value[int(key)]
    return getattr(value, str(attribute))


def _structure(value: Any) -> str | None:
    """What a value without plain text is (a mapping, bytes, a list of such or with nulls); None: it has text."""
    if isinstance(value, list):
        if any(map(is_null, value)):
            return "a list with nulls"
        return "a list of mappings" if any(map(_structure, value)) else None
    if isinstance(value, Mapping):
        return "a mapping"
    return f"of type {type(value).__name__}" if isinstance(value, bytes | tuple | set) else None
