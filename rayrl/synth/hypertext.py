"""HTML -> text of its pages: paragraphs and table rows a line each, cells apart, scripts and hidden parts left out."""

import re
from html.parser import HTMLParser

from rayrl.synth.table import row

_PARAGRAPHS = frozenset(re.findall(r"\S+", "p section article header footer h1 h2 h3 h4 h5 h6 ul ol blockquote pre"))
_LINES = frozenset(re.findall(r"\S+", "div br li table tr dt dd hr caption thead tbody"))
_SKIPPED = frozenset(re.findall(r"\S+", "script style head noscript template ix:header"))
_VOID = frozenset(re.findall(r"\S+", "area base br col embed hr img input link meta source track wbr"))
_PAGE = re.compile(r"(?:page-)?break-(before|after)\s*:\s*(?:always|page)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pages: list[list[str]] = [[]]
        self.open: list[tuple[str, bool, bool]] = []  # tag, hidden, whether a page ends with it
        self.rows: list[list[str]] = []  # rows of the tables that are open, innermost last
        self.breaks = 0  # line ends that go before the next text

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        style = dict(attributes).get("style") or ""
        page = _PAGE.search(style)
        if page and page[1].lower() == "before":
            self._new_page()
        ends = bool(page and page[1].lower() == "after")
        if tag in _VOID:
            self._break(tag)
            if ends:
                self._new_page()
            return
        hidden = tag in _SKIPPED or bool(_HIDDEN.search(style)) or self._hidden
        self.open.append((tag, hidden, ends))
        if tag == "tr":
            self._break(tag)
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        else:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _, _ in self.open):
            return
        while self.open:  # what was left open within ends too
            name, _, ends = self.open.pop()
            if name == "tr" and self.rows:
                text = row(self.rows.pop())
                if self.rows and self.rows[-1]:
                    self.rows[-1][-1] += f" {text} "
                else:
                    self._add(text)
            self._break(name)
            if ends:
                self._new_page()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self.rows:
            if self.rows[-1]:
                self.rows[-1][-1] += data
        else:
            self._add(re.sub(r"\s+", " ", data))

    def _add(self, text: str) -> None:
        if self.breaks and not text.strip():
            return
        if self.pages[-1]:
            self.pages[-1].append("\n" * self.breaks)
        self.pages[-1].append(text)
        self.breaks = 0

    @property
    def _hidden(self) -> bool:
        return bool(self.open) and self.open[-1][1]

    def _break(self, tag: str) -> None:
        if self.rows:
            if self.rows[-1]:
                self.rows[-1][-1] += " "
        elif tag in _PARAGRAPHS:
            self.breaks = 2
        elif tag in _LINES:
            self.breaks = max(self.breaks, 1)

    def _new_page(self) -> None:
        if any(part.strip() for part in self.pages[-1]):
            self.pages.append([])
        self.breaks = 1


def html_pages(source: str) -> list[str]:
    """Text of each page; pages end where the style says so (`page-break-after: always`), as in filings."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    texts = ["\n".join(line.strip() for line in "".join(parts).split("\n")).strip() for parts in reader.pages]
    return texts if len(texts) == 1 or texts[-1] else texts[:-1]
