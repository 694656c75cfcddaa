"""Lines of a page, their pieces apart by wide gaps -> text. A gap parts columns where it stands in one place over
several lines, or where its line does not read as a sentence: justified prose has wide gaps too."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rayrl.synth.documents.table_rows import BETWEEN, join_signs

NEAR = 3
"""How many lines before and after may show that a gap is a table's."""
SAME = 0.2
"""Edges so near, in heights of a character, are one."""
MOST = 0.6
"""Share of a line's gaps that have to be in place."""
HEADERS = 2
"""How many rows of headers one above the other are told by the row below."""
SMALL_LETTERS = 0.4
"""Share of a sentence's pieces that begin with a small letter, at least."""
FAR = 4.0
"""A gap of so many heights of a character parts what stands alone, as at the ends of a header."""
_FIGURE = re.compile(
    r"(?:[A-Z]{0,3}[$€£¥])?[(\s]*(?:[A-Z]{0,3}[$€£¥])?\s*[-–—+]?[\d][\d.,/]*\s?(?:[%xX]|bps?|pts?|[KMB]|nm)?[)%\s]*"
    r"(?:[A-Z]{0,3}[$€£¥])?(?:\s*\[\w+\]|\(\w\)|[*†‡])*|[—–-]+|[$€£¥()%]+|[Nn]/?[AaMm]\.?|(?:FY|Q[1-4]) ?\d*"
)
_LINK = r"(?:in|of|to|was|were|is|are|for|by|and|or|the|which|that|at|from|than|about|with|on|as|an?|our|its)"
_UNFINISHED, _GOES_ON = re.compile(rf"\s{_LINK}$"), re.compile(rf"{_LINK}\s")
_FINISHED = re.compile(r"[.!?;]$")
_BULLET = re.compile(r"[•·▪●○■◦➢✓*–—o-]")


@dataclass(slots=True)
class Piece:
    """Text between two wide gaps, and where it lies along the line."""

    text: str
    start: float
    end: float


@dataclass(slots=True)
class Line:
    """height: of its characters."""

    height: float = 0.0
    pieces: list[Piece] = field(default_factory=list)


def texts(lines: Sequence[Line]) -> list[str]:
    """Text of each line, columns apart."""
    tables = [_is_row(number, lines) for number in range(len(lines))]
    for _ in range(HEADERS):
        tables = [sure or _stands_over(number, lines, tables) for number, sure in enumerate(tables)]
    kept = [_parted(line, table) for line, table in zip(lines, tables, strict=True)]
    return [join_signs(_text(line, parted)) for line, parted in zip(lines, kept, strict=True)]


def _text(line: Line, parted: Sequence[bool]) -> str:
    text = line.pieces[0].text
    for piece, apart in zip(line.pieces[1:], parted, strict=True):
        text += (BETWEEN if apart else " ") + piece.text
    return text


def _parted(line: Line, table: bool) -> list[bool]:
    """Of each gap of a line whether it parts columns."""
    widths = [right - left for left, right in _gaps(line)]
    even = len(widths) > 1 and max(widths) < 1.5 * min(widths)
    parted = [table or (width > FAR * line.height and not even) for width in widths]
    if parted and _BULLET.fullmatch(line.pieces[0].text) and not _is_figure(line.pieces[1]):
        parted[0] = False
    return parted


def _gaps(line: Line) -> list[tuple[float, float]]:
    return [(left.end, right.start) for left, right in pairwise(line.pieces)]


def _is_figure(piece: Piece) -> bool:
    return bool(_FIGURE.fullmatch(piece.text.strip()))


def _is_row(number: int, lines: Sequence[Line]) -> bool:
    """Whether a line has gaps in the places of another nearby, or does not read as a sentence."""
    line = lines[number]
    if len(line.pieces) == 1:
        return False
    return not _is_sentence(line) or any(_aligned(line, lines[near]) for near in _near(number, lines))


def _is_sentence(line: Line) -> bool:
    """Whether its pieces go on where the ones before end: in small letters, behind a full stop or behind `of`."""
    follow = [piece.text for piece in line.pieces[1:] if not _is_figure(piece)]
    small = sum(text[:1].islower() or not any(map(str.isalnum, text)) for text in follow)
    if follow and small >= SMALL_LETTERS * len(follow):
        return True
    return any(
        _UNFINISHED.search(left.text)
        or _GOES_ON.match(right.text)
        or (_FINISHED.search(left.text) and left.text.count(" ") > 2 < right.text.count(" "))
        for left, right in pairwise(line.pieces)
    )


def _near(number: int, lines: Sequence[Line]) -> Iterator[int]:
    """Nearby lines that have gaps."""
    for at in range(max(0, number - NEAR), min(len(lines), number + NEAR + 1)):
        if at != number and len(lines[at].pieces) > 1:
            yield at


def _stands_over(number: int, lines: Sequence[Line], tables: list[bool]) -> bool:
    """Whether most gaps of a line, a header's, lie in gaps of a row nearby, each in another."""
    gaps = _gaps(lines[number])
    for near in _near(number, lines) if gaps else ():
        if tables[near]:
            wide = _gaps(lines[near])
            shared = {
                at
                for left, right in gaps
                for at, (start, end) in enumerate(wide)
                if min(right, end) - max(left, start) > min(right - left, end - start) / 2
            }
            if len(shared) >= MOST * len(gaps) and len(shared) * 2 > len(wide) - 1:
                return True
    return False


def _aligned(line: Line, other: Line) -> bool:
    """Whether most gaps of the line that has fewer end, or the cells behind them end, where some of the other do."""
    fewer, more = sorted((line, other), key=lambda one: len(one.pieces))
    width = SAME * line.height
    starts, ends = ([getattr(piece, edge) for piece in more.pieces[1:]] for edge in ("start", "end"))
    found = sum(_has(starts, piece.start, width) or _has(ends, piece.end, width) for piece in fewer.pieces[1:])
    return found >= MOST * (len(fewer.pieces) - 1)


def _has(places: list[float], place: float, width: float) -> bool:
    at = bisect_left(places, place - width)
    return at < len(places) and places[at] <= place + width
