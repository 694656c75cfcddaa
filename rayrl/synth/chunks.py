"""A document's text in pieces with provenance, cut where a page, a paragraph or a line ends. Deterministic."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rayrl.synth.documents.files import Document

Ruler = Callable[[str], Sequence[int]]
"""Text -> where each of its units (tokens or characters) begins, in characters."""

_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?])\s"), re.compile(r"\s"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. Pages count from 1, both ends included; start and end are characters of the document's
    text. duplicate_of: an earlier chunk that says nearly the same, if any."""

    id: str
    document: str
    text: str
    page_start: int
    page_end: int
    start: int
    end: int
    duplicate_of: str | None = None

    def record(self) -> dict[str, Any]:
        return asdict(self)


def characters(text: str) -> Sequence[int]:
    """The ruler that counts characters."""
    return range(len(text))


def cut(document: Document, size: int, overlap: int, ruler: Ruler) -> Iterator[Chunk]:
    """Chunks of at most `size` units that cover the text; each repeats up to `overlap` units, whole lines, of the one
    before it. A page that fits stays whole."""
    text, units = document.text, ruler(document.text)
    page_ends = [end for _, end in document.page_spans]
    start, index = 0, 0
    while start < len(text):
        first = bisect_left(units, start)
        if first + size >= len(units):
            end = len(text)
        else:
            half, limit = units[first + size // 2], units[first + size]
            end = _end(text, start, max(half, start + 1), limit, page_ends)
        left, right = start, end
        while left < right and text[left].isspace():
            left += 1
        while right > left and text[right - 1].isspace():
            right -= 1
        if left < right:
            first_page, last_page = (bisect_right(document.starts, at) for at in (left, right - 1))
            name = f"{document.name}#{index}"
            yield Chunk(name, document.name, text[left:right], first_page, last_page, left, right)
            index += 1
        start = _next_start(text, start, end, units, overlap)


def _end(text: str, start: int, earliest: int, limit: int, page_ends: list[int]) -> int:
    """The best place to cut in (earliest, limit]: the last end of a page, else of a paragraph, line, sentence, word."""
    last_page = bisect_right(page_ends, limit) - 1
    if last_page >= 0 and page_ends[last_page] >= earliest:
        return page_ends[last_page]
    for pattern in _ENDS:
        places = [match.start() for match in pattern.finditer(text, earliest, limit)]
        if places:
            return places[-1]
    return max(limit, start + 1)


def _next_start(text: str, start: int, end: int, units: Sequence[int], overlap: int) -> int:
    """`end`, or the first line that begins within the `overlap` units before it."""
    if end >= len(text) or not overlap:
        return end
    earliest = units[max(0, bisect_left(units, end) - overlap)]
    line = text.find("\n", max(earliest - 1, start), end - 1)
    return line + 1 if line >= 0 and line + 1 > start else end
