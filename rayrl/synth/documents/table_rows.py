"""One row of a table as text: cells apart by ` | `, signs and brackets with the number they belong to."""

import re
from collections.abc import Iterable

BETWEEN = " | "
_SIGN = re.compile(r"([$€£¥]|\()(?:\s*\|)?\s+(?=[\d(.$€£¥—–-])")
_NEXT = re.compile(r"(?<=[\d)%\]—–-])\s+(?=[$€£¥])")
_CLOSING = re.compile(r"(?<=[\d.)])(?:\s*\|)?\s+(?=[)%](?!\s?[A-Z]))")


def join_cells(cells: Iterable[str]) -> str:
    """`["Net income", "$", "(1,577", ")", ""]` -> `Net income | $(1,577)`."""
    filled = (" ".join(cell.split()) for cell in cells)
    return join_signs(BETWEEN.join(cell for cell in filled if cell))


def join_signs(line: str) -> str:
    """A line in which no column or blank parts a currency sign, bracket or per cent sign from its number."""
    line = _CLOSING.sub("", _SIGN.sub(r"\1", line))
    return _NEXT.sub(BETWEEN, line) if BETWEEN in line else line
