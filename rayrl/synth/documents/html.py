"""HTML -> text of its pages: paragraphs and table rows a line each, cells apart, scripts and hidden parts left out.
selectolax parses it as browsers do, end tags that are left out included."""

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rayrl.synth.documents.html_tables import BLANK, format_table
from rayrl.synth.documents.running_heads import CONTENTS, PAGE_NUMBER
from rayrl.synth.documents.superscripts import CLOSE, OPEN, resolve_superscripts

_PARAGRAPHS = frozenset(re.findall(r"\S+", "p section article header footer h1 h2 h3 h4 h5 h6 ul ol blockquote pre"))
_LINES = frozenset(re.findall(r"\S+", "div br li table tr dt dd hr caption thead tbody tfoot"))
_CELLS = frozenset({"td", "th"})
_BLOCKS = _PARAGRAPHS | _LINES | _CELLS
_SKIPPED = frozenset(re.findall(r"\S+", "script style head title noscript template ix:header ix:hidden"))
_VOID = frozenset(re.findall(r"\S+", "area base br col embed hr img input link meta source track wbr"))
_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")
_PAGE = re.compile(r"(?:page-)?break-(before|after)\s*:\s*(?:always|page)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_RAISED = re.compile(
    r"vertical-align\s*:\s*(?:super|text-top|[1-9]\d*(?:\.\d+)?(?:%|pt|px|em))"
    r"|position\s*:\s*relative.*\b(?:top\s*:\s*-|bottom\s*:\s*[1-9])",
    re.IGNORECASE,
)
_SMALL_ON_TOP = re.compile(
    r"(?=.*vertical-align\s*:\s*top)(?=.*font-size\s*:\s*(?:[1-7](?:\.\d+)?pt|[1-9](?:\.\d+)?px|[5-8]\d%|0?\.\d+em|x?x?-?small))",
    re.IGNORECASE,
)
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f\u200b\u2060\ufeff]")

_NEW_PAGE, _NEW_PARAGRAPH, _NEW_LINE, _RULE, _LINK = "\f", "\v", "\n", "\x1d", "\x04"
_MARKS = dict.fromkeys(_CELLS, " ") | dict.fromkeys(_LINES, _NEW_LINE) | dict.fromkeys(_PARAGRAPHS, _NEW_PARAGRAPH)
_NUMBERED = re.compile(rf"^({PAGE_NUMBER})\n+(?:{_RULE}|(?=table of contents$))", re.IGNORECASE | re.MULTILINE)
_LINKED = re.compile(rf"^([\w ]{{3,40}}){_LINK}$", re.MULTILINE)
_REST = re.compile(f"[{OPEN}{CLOSE}{_LINK}{_RULE}]")
_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*"
    r"<(!doctype(?=\s+html)|html|head|body|meta|title|style|div|p|table|center|font|span|h[1-6]|b|a|hr|section)\b",
    re.IGNORECASE | re.DOTALL,
)
_FINISHED = re.compile(
    r"</(?:html|head|body|title|style|div|p|table|td|center|font|span|h[1-6]|section)>", re.IGNORECASE
)
MAX_SPAN = 1000
"""Most columns or rows that a cell covers."""


@dataclass(slots=True)
class _Cell:
    """Texts and the marks between them. rows: those of the tables in it."""

    columns: int = 1
    deep: int = 1
    parts: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(slots=True)
class _Table:
    """Rows, and what stands between them (captions, ends of pages)."""

    items: list[list[_Cell] | str] = field(default_factory=list)
    rows: list[list[_Cell]] = field(default_factory=list)


class _Reader:
    def __init__(self, root: LexborNode) -> None:
        self.document = _Cell()
        self.within: list[_Table | _Cell] = [self.document]
        """Tables and cells that are open, innermost last."""
        self.raised = False
        self._walk(root)

    def _walk(self, root: LexborNode) -> None:
        """Elements in the file's order, without recursion: a hostile file nests without end."""
        node: LexborNode | None = root
        opened: list[tuple[LexborNode, bool]] = []
        while node is not None:
            if node.is_text_node:
                self._write(re.sub(r"\s+", " ", _UNSEEN.sub("", node.text_content or "")))
            elif node.is_element_node:
                attributes = node.attributes
                style = attributes.get("style") or ""
                hidden = node.tag in _SKIPPED or "hidden" in attributes or _HIDDEN.search(style)
                child = None if hidden else node.first_child
                if hidden:
                    self._write(_MARKS.get(node.tag or "", ""))
                else:
                    lifts = self._enter(node.tag or "", style, attributes)
                    if child is not None:
                        opened.append((node, lifts))
                        node = child
                        continue
                    self._leave(node, lifts)
            following = node.next
            while following is None and opened:
                node, lifts = opened.pop()
                self._leave(node, lifts)
                following = node.next
            node = following

    def _enter(self, tag: str, style: str, attributes: dict[str, str | None]) -> bool:
        """Whether it raises what it holds."""
        page = _PAGE.search(style)
        if page and page[1].lower() == "before":
            self._write(_NEW_PAGE)
        self._write(_RULE if tag == "hr" else _MARKS.get(tag, ""))
        innermost = self.within[-1]
        if tag == "table":
            self.within.append(_Table())
        elif isinstance(innermost, _Table) and tag == "tr":
            innermost.rows.append([])
            innermost.items.append(innermost.rows[-1])
        elif isinstance(innermost, _Table) and tag in _CELLS and innermost.rows:
            cell = _Cell(_span(attributes, "colspan"), _span(attributes, "rowspan"))
            innermost.rows[-1].append(cell)
            self.within.append(cell)
        looks = tag == "sup" or (tag not in _BLOCKS and bool(_RAISED.search(style) or _SMALL_ON_TOP.search(style)))
        lifts = looks and not self.raised
        if lifts:
            self.raised = True
            self._write(OPEN)
        return lifts

    def _leave(self, node: LexborNode, lifts: bool) -> None:
        tag = node.tag or ""
        if lifts:
            self.raised = False
            self._write(CLOSE)
        innermost = self.within[-1]
        if tag == "table" and isinstance(innermost, _Table):
            self.within.pop()
            self._end_table(innermost)
        elif tag in _CELLS and isinstance(innermost, _Cell) and len(self.within) > 1:
            self.within.pop()
        elif tag == "a" and "#" in (node.attributes.get("href") or "") and CONTENTS.fullmatch(node.text().strip()):
            self._write(_LINK)
        self._write(_MARKS.get(tag, ""))
        page = _PAGE.search(node.attributes.get("style") or "")
        if page and page[1].lower() == "after":
            self._write(_NEW_PAGE)

    def _write(self, text: str) -> None:
        innermost = self.within[-1]
        (innermost.parts if isinstance(innermost, _Cell) else innermost.items).append(text)

    def _end_table(self, table: _Table) -> None:
        rows = [
            [
                (resolve_superscripts(cell.text), cell.columns, cell.deep, cell.rows > 1 or _NEW_PAGE in cell.text)
                for cell in row
            ]
            for row in table.rows
        ]
        lines = iter(format_table(rows))
        outer = self.within[-1]
        for item in table.items:
            if isinstance(item, str):
                self._write(item)
                continue
            texts = next(lines)
            self._write(_NEW_LINE + _NEW_LINE.join(texts) + _NEW_LINE)
            if isinstance(outer, _Cell):
                outer.rows += len(texts)


def _span(attributes: dict[str, str | None], name: str) -> int:
    """0 rows: down to the end of the table."""
    digits = re.match(r"\s*\+?(\d{1,6})", attributes.get(name) or "")
    value = int(digits[1]) if digits else 1
    return min(value or (MAX_SPAN if name == "rowspan" else 1), MAX_SPAN)


def is_html(source: str, suffix: str) -> bool:
    """Whether a file of text is a page of HTML all the same: it begins as one; one of Markdown, as a whole page."""
    start = _START.match(source)
    return bool(start and (start[1].lower() in ("!doctype", "html") or (suffix != ".md" and _FINISHED.search(source))))


def read_html(source: str) -> list[str]:
    """Text of each page; pages end where the style says so (`page-break-after: always`), at a rule below a page's
    number, and above a link to the contents, as in filings."""
    root = LexborHTMLParser(_CLOSED.sub(_opened, source)).root
    text = resolve_superscripts(re.sub(r"\s+", _gap, _Reader(root).document.text)) if root is not None else ""
    text = _LINKED.sub(rf"{_NEW_PAGE}\1", _NUMBERED.sub(rf"\1{_NEW_PAGE}", text))
    pages = [_REST.sub("", page).strip().replace(BLANK, "") for page in text.split(_NEW_PAGE)]
    return [page for page in pages if page] or [""]


def _gap(run: re.Match[str]) -> str:
    """What a run of marks and blanks becomes: the strongest mark that it holds decides."""
    marks = run[0]
    if _NEW_PAGE in marks:
        return _NEW_PAGE
    rule = _RULE if _RULE in marks else ""
    if _NEW_PARAGRAPH in marks:
        return f"\n\n{rule}"
    return f"\n{rule}" if rule or _NEW_LINE in marks else " "


def _opened(tag: re.Match[str]) -> str:
    """`<div/>` as the `<div></div>` that its writer meant (XHTML)."""
    return tag[0] if tag[1].lower() in _VOID else f"<{tag[1]}{tag[2] or ''}></{tag[1]}>"
