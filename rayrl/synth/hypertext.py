"""HTML -> text of its pages: paragraphs and table rows a line each, cells apart, scripts and hidden parts left out. End
tags that may be left out (`</p>`, `</td>`, `</tr>`, `</head>`) are where the next tag implies them."""

import re
from collections.abc import Set
from dataclasses import dataclass, field
from html.parser import HTMLParser

from rayrl.synth.table import row

_PARAGRAPHS = frozenset(re.findall(r"\S+", "p section article header footer h1 h2 h3 h4 h5 h6 ul ol blockquote pre"))
_LINES = frozenset(re.findall(r"\S+", "div br li table tr dt dd hr caption thead tbody"))
_BLOCKS = _PARAGRAPHS | frozenset(re.findall(r"\S+", "body main nav aside address form center dl div hr table"))
_CELLS = frozenset(re.findall(r"\S+", "td th"))
_GROUPS = frozenset(re.findall(r"\S+", "thead tbody tfoot"))
_ROWS = frozenset(re.findall(r"\S+", "tr caption"))
_TABLE = frozenset({"table"})
_WALLS = _CELLS | _TABLE | {"caption"}
_ENDS: dict[str, tuple[Set[str], Set[str]]] = {
    **dict.fromkeys(_BLOCKS, ({"p", "head"}, _WALLS)),
    **dict.fromkeys(_CELLS, (_CELLS, _TABLE | {"tr"})),
    **dict.fromkeys(_GROUPS, (_GROUPS | _ROWS, _TABLE)),
    "tr": (_ROWS, _TABLE),
    "li": ({"li"}, _WALLS | {"ul", "ol"}),
    **dict.fromkeys(("dt", "dd"), ({"dt", "dd"}, _WALLS | {"dl"})),
}
"""Which open elements a tag ends, and which it does not reach beyond."""
_SKIPPED = frozenset(re.findall(r"\S+", "script style head noscript template ix:header"))
_VOID = frozenset(re.findall(r"\S+", "area base br col embed hr img input link meta source track wbr"))
_PAGE = re.compile(r"(?:page-)?break-(before|after)\s*:\s*(?:always|page)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)

_NEW_PAGE, _NEW_PARAGRAPH, _NEW_LINE = "\f", "\v", "\n"
_MARKS = dict.fromkeys(_CELLS, " ") | dict.fromkeys(_LINES, _NEW_LINE) | dict.fromkeys(_PARAGRAPHS, _NEW_PARAGRAPH)
_SHOWN = {_NEW_PAGE: _NEW_PAGE, _NEW_PARAGRAPH: "\n\n", _NEW_LINE: "\n", " ": " "}
"""What a run of marks and blanks becomes: the first that it holds decides."""


@dataclass(slots=True)
class _Cell:
    """Texts and the marks between them. rows: those of the tables in it."""

    parts: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @property
    def lays_out(self) -> bool:
        """Whether it holds a part of the document, not a value."""
        return self.rows > 1 or _NEW_PAGE in self.text


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = _Cell()
        self.open: list[tuple[str, bool, bool]] = []  # tag, hidden, whether a page ends with it
        self.rows: list[list[_Cell]] = []  # rows that are open, innermost last

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        ended, within = _ENDS.get(tag, (frozenset(), frozenset()))
        while self._close(ended, within):
            pass
        style = dict(attributes).get("style") or ""
        hidden = tag in _SKIPPED or bool(_HIDDEN.search(style)) or self._hidden
        page = None if hidden else _PAGE.search(style)
        if page and page[1].lower() == "before":
            self._write(_NEW_PAGE)
        self._write(_MARKS.get(tag, ""))
        self.open.append((tag, hidden, bool(page and page[1].lower() == "after")))
        if tag == "tr":
            self.rows.append([])
        elif tag in _CELLS and self.rows:
            self.rows[-1].append(_Cell())
        elif tag in _VOID:
            self._end()

    def handle_endtag(self, tag: str) -> None:
        self._close({tag}, _TABLE if tag in _CELLS | _GROUPS | _ROWS | _TABLE else _WALLS)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._write(re.sub(r"\s+", " ", data))

    def close(self) -> None:
        super().close()
        while self.open:
            self._end()

    @property
    def _hidden(self) -> bool:
        return bool(self.open) and self.open[-1][1]

    @property
    def _cell(self) -> _Cell:
        return next((cells[-1] for cells in reversed(self.rows) if cells), self.document)

    def _write(self, text: str) -> None:
        self._cell.parts.append(text)

    def _close(self, tags: Set[str], within: Set[str]) -> bool:
        """Ends the innermost open one of some elements, with what was left open in it."""
        for depth in range(len(self.open) - 1, -1, -1):
            tag = self.open[depth][0]
            if tag in tags:
                while len(self.open) > depth:
                    self._end()
                return True
            if tag in within:
                break
        return False

    def _end(self) -> None:
        tag, _, ends_page = self.open.pop()
        if tag == "tr":
            self._end_row(self.rows.pop())
        self._write(_MARKS.get(tag, ""))
        if ends_page:
            self._write(_NEW_PAGE)

    def _end_row(self, cells: list[_Cell]) -> None:
        filled = [cell for cell in cells if cell.text.strip(" \v\n")]
        lays_out = any(cell.lays_out for cell in filled)
        texts = [cell.text for cell in filled]
        self._write(_NEW_LINE.join(texts) if lays_out or len(texts) == 1 else row(texts))
        self._cell.rows += len(texts) if lays_out else min(len(texts), 1)


def html_pages(source: str) -> list[str]:
    """Text of each page; pages end where the style says so (`page-break-after: always`), as in filings."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = re.sub(r"\s+", lambda run: next(_SHOWN[mark] for mark in _SHOWN if mark in run[0]), reader.document.text)
    pages = [page.strip() for page in text.split(_NEW_PAGE)]
    return [page for page in pages if page] or [""]
