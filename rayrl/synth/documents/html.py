"""HTML -> text of its pages: paragraphs and table rows a line each, cells apart, scripts and hidden parts left out.

selectolax parses it as browsers do, end tags that are left out included. Marks go into its tree where blocks, pages and
superscripts begin and end; the rows of tables, inner ones first, become lines; then all is read as one text.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rayrl.synth.documents.html_tables import BLANK, format_table
from rayrl.synth.documents.running_heads import CONTENTS, PAGE_NUMBER
from rayrl.synth.documents.superscripts import CLOSE, OPEN, resolve_superscripts

_NEW_PAGE, _NEW_PARAGRAPH, _NEW_LINE, _RULE = "\x1c\x1d\x1e\x1f"
"""Regular expressions count them as blanks."""
_LINK, _ROW = "\x04", "\x05"
_PARAGRAPHS = re.findall(r"\S+", "p section article header footer h1 h2 h3 h4 h5 h6 ul ol blockquote pre")
_LINES = re.findall(r"\S+", "div br li table tr dt dd hr caption thead tbody tfoot")
_MARKS = dict.fromkeys(_LINES, _NEW_LINE) | dict.fromkeys(_PARAGRAPHS, _NEW_PARAGRAPH)
_CELLS = ("td", "th")
_SKIPPED = re.findall(r"\S+", "script style head title noscript template ix:header ix:hidden")
_VOID = re.findall(r"\S+", "area base br col embed hr img input link meta source track wbr")
_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")
_NESTED = re.compile(
    r"<(/?)(?:address|article|aside|blockquote|center|details|di[rv]|dl|fieldset|footer|form|header|main|nav|[ou]l|pre"
    r"|section)\b[^<>]*>",
    re.IGNORECASE,
)
_PAGE = re.compile(r"(?:page-)?break-(before|after)\s*:\s*(?:always|page)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_RAISED = re.compile(
    r"vertical-align\s*:\s*(?:super|text-top|[1-9]\d*(?:\.\d+)?(?:%|pt|px|em))"
    r"|position\s*:\s*relative.*\b(?:top\s*:\s*-|bottom\s*:\s*[1-9])",
    re.IGNORECASE,
)
_SMALL = r"(?:[1-7](?:\.\d+)?pt|[1-9](?:\.\d+)?px|[5-8]\d%|0?\.\d+em|x?x?-?small)"
_SMALL_ON_TOP = re.compile(
    rf"(?=.*vertical-align\s*:\s*top)(?=.*font-size\s*:\s*{_SMALL})",
    re.IGNORECASE | re.DOTALL,
)
_UNSEEN = re.compile("[\x06-\x08\x0e-\x1b\x7f\u200b\u2060\ufeff]")
_BLANKS = re.compile(r"\s{2,}|[^\S ]")
_NUMBERED = re.compile(rf"^({PAGE_NUMBER})\n+(?:{_RULE}|(?=table of contents$))", re.IGNORECASE | re.MULTILINE)
_LINKED = re.compile(rf"^([\w ]{{3,40}}){_LINK}$", re.MULTILINE)
_REST = re.compile(f"[{OPEN}{CLOSE}{_LINK}{_ROW}{_RULE}]")
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
DEEPEST_BLOCKS = 512
"""Most blocks that are open at once, as in browsers: a parser looks through all of them at each that begins."""
DEEPEST_TABLES = 12
"""Most tables within each other whose rows are read. Of those deeper each cell is a line."""


def is_html(source: str, suffix: str) -> bool:
    """Whether a file of text is a page of HTML all the same: it begins as one; one of Markdown, as a whole page."""
    start = _START.match(source)
    return bool(start and (start[1].lower() in ("!doctype", "html") or (suffix != ".md" and _FINISHED.search(source))))


def read_html(source: str) -> list[str]:
    """Text of each page; pages end where the style says so (`page-break-after: always`), at a rule below a page's
    number, and above a link to the contents, as in filings."""
    root = LexborHTMLParser(_NESTED.sub(_Depth().bound, _CLOSED.sub(_open, source))).root
    if root is None:
        return [""]
    _mark_contents_links(root)
    _leave_out_hidden(root)
    _mark_blocks(root)
    _mark_styles(root)
    _write_tables(root)
    text = _text(root.text()).replace(_NEW_PARAGRAPH, "\n\n").replace(_NEW_LINE, "\n")
    text = _LINKED.sub(rf"{_NEW_PAGE}\1", _NUMBERED.sub(rf"\1{_NEW_PAGE}", text))
    pages = [_REST.sub("", page).strip().replace(BLANK, "") for page in text.split(_NEW_PAGE)]
    return [page for page in pages if page] or [""]


def _open(tag: re.Match[str]) -> str:
    """`<div/>` as the `<div></div>` that its writer meant (XHTML)."""
    return tag[0] if tag[1].lower() in _VOID else f"<{tag[1]}{tag[2]}></{tag[1]}>"


class _Depth:
    """How many blocks are open."""

    def __init__(self) -> None:
        self.depth = 0

    def bound(self, tag: re.Match[str]) -> str:
        """A block's tag; where it lies too deep, a line's end."""
        before = self.depth
        self.depth = max(0, before - 1) if tag[1] else before + 1
        return tag[0] if max(before, self.depth) <= DEEPEST_BLOCKS else "<br>"


def _style(node: LexborNode) -> str:
    return node.attributes.get("style") or ""


def _mark_contents_links(root: LexborNode) -> None:
    for node in root.css('a[href*="#"]'):
        if CONTENTS.fullmatch(node.text().strip()):
            node.insert_after(_LINK)


def _leave_out_hidden(root: LexborNode) -> None:
    skipped = ",".join(tag.replace(":", "\\:") for tag in _SKIPPED)
    for node in reversed(root.css(f"{skipped},[hidden],[style]")):
        if node.tag in _SKIPPED or "hidden" in node.attributes or _HIDDEN.search(_style(node)):
            node.replace_with(_MARKS.get(node.tag or "", ""))


def _mark_blocks(root: LexborNode) -> None:
    for node in root.css(",".join(_MARKS)):
        mark = _MARKS[node.tag or ""]
        node.insert_before(_RULE if node.tag == "hr" else mark)
        node.insert_after(mark)


def _mark_styles(root: LexborNode) -> None:
    """Ends of pages, and superscripts; within one there is no other."""
    inside: set[int] = set()
    for node in root.css("sup,[style]"):
        tag, style = node.tag, _style(node)
        page = _PAGE.search(style)
        place = node.parent if tag in _CELLS else node
        if page and place is not None:
            (place.insert_before if page[1].lower() == "before" else place.insert_after)(_NEW_PAGE)
        looks = tag not in _MARKS and tag not in _CELLS and (_RAISED.search(style) or _SMALL_ON_TOP.match(style))
        if (tag == "sup" or looks) and node.mem_id not in inside:
            inside.update(inner.mem_id for inner in node.css("sup,[style]"))
            node.insert_before(OPEN)
            node.insert_after(CLOSE)


def _write_tables(root: LexborNode) -> None:
    """Lines in the place of rows."""
    deep = "table " * DEEPEST_TABLES
    for cell in root.css(f"{deep} table td,{deep} table th"):
        cell.insert_before(_NEW_LINE)
    inner = {table.mem_id for table in root.css(f"{deep} table table")}
    for table in root.css(f"{deep} table"):
        if table.mem_id not in inner:
            table.replace_with(table.text())
    for table in reversed(root.css("table")):
        rows = table.css("tr")
        cells = [[_cell(cell) for cell in row.iter() if cell.tag in _CELLS] for row in rows]
        for row, lines in zip(rows, format_table(cells), strict=True):
            row.replace_with("".join(f"{_NEW_LINE}{_ROW}{line}" for line in lines) + _NEW_LINE)


def _cell(node: LexborNode) -> tuple[str, int, int, bool]:
    """Text, columns and rows of a cell, and whether it lays out a part of the page."""
    source, attributes = node.text(), node.attributes
    lays_out = source.count(_ROW) > 1 or _NEW_PAGE in source
    return _text(source), _span(attributes, "colspan"), _span(attributes, "rowspan"), lays_out


def _span(attributes: dict[str, str | None], name: str) -> int:
    """0 rows: down to the end of the table."""
    digits = re.match(r"\s*\+?(\d{1,6})", attributes.get(name) or "")
    value = int(digits[1]) if digits else 1
    return min(value or (MAX_SPAN if name == "rowspan" else 1), MAX_SPAN)


def _text(source: str) -> str:
    """Text of a part of the tree, blanks and marks between words as one."""
    return resolve_superscripts(_BLANKS.sub(_strongest, _UNSEEN.sub("", source.replace(_ROW, ""))))


def _strongest(run: re.Match[str]) -> str:
    """What a run of marks and blanks becomes: the strongest mark that it holds decides."""
    marks = run[0]
    if _NEW_PAGE in marks:
        return _NEW_PAGE
    rule = _RULE if _RULE in marks else ""
    if _NEW_PARAGRAPH in marks:
        return _NEW_PARAGRAPH + rule
    return _NEW_LINE + rule if rule or _NEW_LINE in marks else " "
