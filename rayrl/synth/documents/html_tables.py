"""A table's rows as lines in which each cell keeps its column: blank cells stay, spanning cells are told for each row
and column that they cover, spacer columns go, and signs in cells of their own join their number."""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from rayrl.synth.documents.superscripts import move_marks_last
from rayrl.synth.documents.table_rows import BETWEEN, join_signs

BLANK = "\x03"
"""An empty cell, until blanks are squeezed."""
REPEATED = 120
"""Longest text that is told again in each row or column that it spans."""
_OPENS = re.compile(r"\(?\s?(?:(?:[A-Z]{1,3})?\$|[€£¥₹]|RMB|CHF|Rs\.?)\s?\(?|\(")
_OPENED = re.compile(r"[($€£¥]*\s?(?:[\d.]|[—–-]+$)")
_CLOSES = re.compile(r"(?:\)|\)?\s?%\s?\)?|pp|bps?|x)(?:\s?\[\w{1,4}\]|[*†‡])*")
_SIGN = re.compile(r"\(?[$€£¥₹]\(?|\)?%\)?")
_NOTES = re.compile(r"(?:\[\w{1,4}\]\s?)+|[*†‡]+")
_BULLET = re.compile(r"[•·▪●○■◦➢✓*—–-]")
_YEAR = re.compile(r"(?:FY\s?|Q[1-4]\s?)?(?:19|20)\d\d\w?(?: \[\w+\])*")


@dataclass(frozen=True)
class Cell:
    """A cell of one row. start, end: grid columns that it covers, those of joined signs included. rows: how many rows,
    this one included. lays_out: it holds a part of the document, not a value. carried: it began in an earlier row. own:
    grid column of its text without joined signs, where they are others."""

    text: str
    start: int
    end: int
    rows: int = 1
    lays_out: bool = False
    carried: bool = False
    own: int | None = None

    @cached_property
    def plain(self) -> str:
        return " ".join(self.text.split())

    @cached_property
    def figure(self) -> bool:
        """A value, not a label or a year."""
        text = self.plain
        short = len(text) <= 30 and not re.search(r"[A-Za-z]{3}", text)
        return short and bool(re.search(r"\d|^\W+$", text)) and not _YEAR.fullmatch(text)


def place(rows: Iterable[Sequence[tuple[str, int, int, bool]]]) -> list[list[Cell]]:
    """Rows of (text, columns, rows, lays_out) in the grid, with what reaches down from rows above."""
    placed: list[list[Cell]] = []
    for row in rows:
        waiting = deque(
            replace(cell, rows=cell.rows - 1, carried=True, text=cell.text if len(cell.plain) <= REPEATED else "")
            for cell in (placed[-1] if placed else ())
            if cell.rows > 1
        )
        line: list[Cell] = []
        column = 0
        for text, columns, deep, lays_out in row:
            while waiting and waiting[0].start <= column:
                line.append(waiting.popleft())
                column = max(column, line[-1].end)
            line.append(Cell(text, column, column + columns, deep, lays_out))
            column += columns
        placed.append([*line, *waiting])
    return placed


def format_table(rows: Iterable[Sequence[tuple[str, int, int, bool]]]) -> list[list[str]]:
    """Of each row its lines: none where it is empty, several where its cells hold parts of the document."""
    placed = place(rows)
    filled = [_joined([cell for cell in row if cell.plain]) for row in placed]
    aligned = [row for row in filled if _is_aligned(row)]
    starts = _columns(aligned)
    if any(_at(row, starts) is None for row in aligned):  # as where the header has no cells for the signs below it
        starts = _columns([row for row in aligned if any(cell.figure for cell in row)])
    ends = [max((cell.end for cell in row), default=0) for row in placed]
    return [_lines(row, starts[: bisect_left(starts, end)]) for row, end in zip(filled, ends, strict=True)]


def _is_aligned(row: list[Cell]) -> bool:
    return (len(row) > 1 or (len(row) == 1 and row[0].figure)) and not any(cell.lays_out for cell in row)


def _joined(cells: list[Cell]) -> list[Cell]:
    """Signs, brackets, units, notes and bullets in cells of their own, joined to what they belong to."""
    row: list[Cell] = []
    for cell in cells:
        before = row[-1] if row and cell.start - row[-1].end <= 1 else None
        text = cell.plain
        if before is None or before.lays_out or cell.lays_out:
            row.append(cell)
        elif _OPENS.fullmatch(before.plain) and _OPENED.match(text):
            row[-1] = replace(before, text=before.plain + text, end=cell.end, own=cell.start)
        elif _closes(before.plain, text):
            row[-1] = replace(before, text=before.plain + text, end=cell.end, own=_own(before))
        elif _NOTES.fullmatch(text) and not _OPENS.fullmatch(before.plain):
            row[-1] = replace(before, text=f"{before.plain} {text}", end=cell.end, own=_own(before))
        else:
            row.append(cell)
    if len(row) == 2 and _BULLET.fullmatch(row[0].plain) and not row[1].figure:
        return [replace(row[1], text=f"{row[0].plain} {row[1].text.strip()}", start=row[0].start)]
    if any(cell.figure and not _SIGN.fullmatch(cell.plain) for cell in row):
        return [cell for cell in row if not _SIGN.fullmatch(cell.plain)]  # a sign without its number is a blank
    return row


def _own(cell: Cell) -> int:
    return cell.start if cell.own is None else cell.own


def _closes(number: str, text: str) -> bool:
    if not _CLOSES.fullmatch(text) or not re.search(r"[\d.)\]—–-]$", number):
        return False
    return ")" not in text or number.count("(") > number.count(")")


def _columns(rows: list[list[Cell]]) -> list[int]:
    """Where each column of the table begins in the grid."""
    starts = sorted({cell.start for row in rows for cell in row})
    before = dict.fromkeys(starts, 0)
    crossed = [0] * (len(starts) + 1)
    for row in rows:
        for left, right in pairwise(row):
            before[right.start] = max(before[right.start], left.end)
        for cell in row:
            crossed[bisect_right(starts, cell.start)] += 1
            crossed[bisect_left(starts, cell.end)] -= 1
    columns, over = starts[:1], crossed[0] if starts else 0
    for index, start in enumerate(starts[1:], 1):
        over += crossed[index]
        # Two cells of one row are in two columns; so are cells of two rows that no cell of a third lies across.
        if before[start] > columns[-1] or not over:
            columns.append(start)
    return _merged(rows, columns)


def _merged(rows: list[list[Cell]], starts: list[int]) -> list[int]:
    """Without the parting of a header from the values beside it: neighbours of which one has headers alone, the other
    values and no header."""
    data = next((number for number, row in enumerate(rows) if any(cell.figure for cell in row)), len(rows))
    headed, valued = [False] * len(starts), [False] * len(starts)
    for number, row in enumerate(rows):
        for cell in row:
            covered = _covered(cell, starts)
            if len(covered) == 1:
                headed[covered[0]] |= number < data
                valued[covered[0]] |= number >= data
    kept, last = starts[:1], 0
    for index in range(1, len(starts)):
        beside = headed[last] != headed[index] and valued[last] != valued[index] and headed[index] != valued[index]
        if last > 0 and beside:
            headed[last] = valued[last] = True
        else:
            kept.append(starts[index])
            last = index
    return kept


def _covered(cell: Cell, starts: list[int]) -> range:
    first = max(0, bisect_right(starts, cell.start) - 1)
    return range(first, max(first + 1, bisect_left(starts, cell.end)))


def _lines(row: list[Cell], starts: list[int]) -> list[str]:
    if all(cell.carried for cell in row):
        return []
    if any(cell.lays_out for cell in row):
        return [cell.text for cell in row]
    if len(row) == 1:
        covered = _covered(row[0], starts)
        value = row[0].figure or _YEAR.fullmatch(row[0].plain)
        if not value or covered[0] == 0 or len(covered) >= len(starts) - 1:
            return [row[0].text]
    texts = _at(row, starts)
    if texts is None:
        leading = [""] if _covered(row[0], starts)[0] else []
        return [_line([*leading, *(cell.plain for cell in row)])]
    return [_line([texts.get(column, "") for column in range(len(starts))])]


def _at(row: list[Cell], starts: list[int]) -> dict[int, str] | None:
    """Column -> text, or None where two cells would share one."""
    texts: dict[int, str] = {}
    for cell in row:
        covered = _covered(cell, starts)
        if cell.figure:
            covered = _covered(replace(cell, start=_own(cell), end=_own(cell) + 1), starts)
        elif covered[0] == 0 or len(cell.plain) > REPEATED:
            covered = covered[:1]
        if any(column in texts for column in covered):
            return None
        texts |= dict.fromkeys(covered, cell.plain)
    return texts


def _line(texts: Sequence[str]) -> str:
    return BETWEEN.join(move_marks_last(join_signs(text)) or BLANK for text in texts)
