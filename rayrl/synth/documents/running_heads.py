"""What a page carries for the reader of paper: its number, links to the contents, headers and footers that repeat."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from rayrl.synth.documents.table_rows import BETWEEN

_NUMERAL = r"(?:[A-Z]{1,2}-)?\d{1,4}|[ivxlc]{1,7}"
PAGE_NUMBER = rf"(?:[-–—]\s*)?(?:page\s+)?(?:{_NUMERAL})(?:\s*(?:of|/)\s*\d{{1,4}})?(?:\s*[-–—])?"
"""Regular expression of a line that is a page's number, in any case of letters."""
CONTENTS = re.compile(r"(?:(?:back|return|go)\s+to\s+)?(?:the\s+)?(?:table\s+of\s+contents|contents|index|top)", re.I)
"""A line that leads to the contents."""
EDGE = 4
"""How many lines at the top and at the bottom of a page may be furniture."""
LONGEST = 100
"""Most characters of a line that is furniture because it repeats."""
_NUMBER = re.compile(PAGE_NUMBER, re.IGNORECASE)
_SURE = re.compile(r"page\s+\d+(?:\s*(?:of|/)\s*\d+)?|[-–—]\s*\d+\s*[-–—]|\d+\s+of\s+\d+", re.IGNORECASE)
_PROSE = re.compile(r"(?:\S+\s+){3,}\S*[\w,’'\"”)–—-]")
Side = Literal["top", "bottom"]
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def strip_running_heads(pages: Sequence[str]) -> tuple[list[str], int]:
    """Pages without it, and how many lines were left out.

    Numbers of pages (`41`, `F-3`, `Page 2 of 9`, in sequence) and lines that lead to the contents, on several pages,
    go. Other lines that repeat at the same edge go only where they part a sentence that runs on to the next page: a
    company's name above a statement is no furniture.
    """
    lines = [page.split("\n") for page in pages]
    found = {side: _Edges(lines, side) for side in ("top", "bottom")}
    gone: list[set[int]] = [set() for _ in pages]
    for number in range(len(pages)):
        for edges in found.values():
            gone[number].update(at for at, sure in edges.peeled(number) if sure)
    for above, below in pairwise(range(len(pages))):
        last, bottom = _inner(lines[above], found["bottom"].peeled(above), -1)
        first, top = _inner(lines[below], found["top"].peeled(below), 0)
        if _runs_on(last, first):
            gone[above] |= bottom
            gone[below] |= top
    kept = [
        "\n".join(line for at, line in enumerate(page) if at not in out).strip("\n") if out else "\n".join(page)
        for page, out in zip(lines, gone, strict=True)
    ]
    return kept, sum(map(len, gone))


class _Edges:
    """One edge of all pages: which of its lines are furniture."""

    def __init__(self, pages: list[list[str]], side: Side) -> None:
        self.lines = [list(_edge(page, side)) for page in pages]
        self.places: dict[str, list[int]] = {}
        for number, page in enumerate(self.lines):
            for form in {_form(line) for _, line in page}:
                self.places.setdefault(form, []).append(number)
        values = [(number, *value) for number, page in enumerate(self.lines) if (value := _value(page))]
        self.numbered = {
            page
            for one, other in pairwise(values)
            if one[1] == other[1] and other[2] == one[2] + 1 and other[0] - one[0] <= EDGE
            for page in (one[0], other[0])
        }

    def peeled(self, page: int) -> Iterator[tuple[int, bool]]:
        """Places of a page's furniture from outside inwards, and whether each surely is."""
        for at, line in self.lines[page]:
            sure = bool(
                _SURE.fullmatch(line)
                or (page in self.numbered and _NUMBER.fullmatch(line))
                or (CONTENTS.fullmatch(line) and len(self.places[_form(line)]) > 1)
            )
            if not sure and not self._repeats(_form(line), page):
                return
            yield at, sure

    def _repeats(self, form: str, page: int) -> bool:
        """Whether a short line is on several pages, one of them near."""
        places = self.places[form]
        near = any(0 < abs(place - page) <= 2 for place in places)
        enough = len(places) >= max(2, min(3, len(self.lines) - 1))
        text = (BETWEEN in form and "#" not in form) or (form.endswith((".", ";")) and form.count(" ") > 4)
        return near and enough and len(form) <= LONGEST and not text


def _edge(page: list[str], side: Side) -> Iterator[tuple[int, str]]:
    places = [at for at, line in enumerate(page) if line.strip()]
    for at in places[:EDGE] if side == "top" else places[: -EDGE - 1 : -1]:
        yield at, page[at].strip()


def _form(line: str) -> str:
    """What repeats: a page's number apart."""
    return re.sub(r"(?<![\d.,$])\d{1,3}(?![\d.,%])", "#", " ".join(line.lower().split()))


def _value(edge: list[tuple[int, str]]) -> tuple[str, int] | None:
    """Prefix and value of the outermost number of a page."""
    for _, line in edge:
        match = _NUMBER.fullmatch(line) and re.search(r"([A-Z]+-)?(\d+|[ivxlc]+)", line.removeprefix("Page"), re.I)
        if match:
            prefix, digits = (match[1] or "").upper(), match[2]
            return (prefix, int(digits)) if digits.isdigit() else ("roman", _roman(digits.lower()))
    return None


def _roman(numeral: str) -> int:
    values = [_ROMAN[letter] for letter in numeral]
    return sum(-one if one < other else one for one, other in zip(values, [*values[1:], 0], strict=True))


def _inner(page: list[str], peeled: Iterator[tuple[int, bool]], end: int) -> tuple[str, set[int]]:
    """The line that an edge begins with where its furniture is taken off, and that furniture."""
    out = {at for at, _ in peeled}
    left = [line.strip() for at, line in enumerate(page) if line.strip() and at not in out]
    return (left[end] if left else ""), out


def _runs_on(last: str, first: str) -> bool:
    """Whether a sentence of one page goes on on the next."""
    if not first or BETWEEN in last or BETWEEN in first or not _PROSE.fullmatch(last):
        return False
    return first[0].islower() or last.endswith(",") or last.split()[-1].islower()
