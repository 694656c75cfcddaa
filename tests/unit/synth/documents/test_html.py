"""HTML as browsers read it: pages, paragraphs, nested tables, end tags that are left out, and files that nest without
end."""

import pytest

from rayrl.synth.documents.html import read_html
from tests.clock import lowest_cpu_seconds


def test_html_keeps_rows_pages_and_nested_text_and_drops_scripts() -> None:
    source = """<html><head><title>no</title><style>p {}</style></head><body>
    <p>Acme &amp; Sons<br>Annual report</p><script>var x = "no";</script><div style="display: none">no</div>
    <table><tr><th>Fiscal years</th><th>2023</th><th>2022</th></tr>
    <tr><td><p>Net sales</p></td><td>$</td><td>4,210</td><td>$ 3,905</td></tr></table>
    <hr style="page-break-after: always">
    <div>Second <b>page</b></div><p>Unclosed <i>tags<p>are fine</body></html>"""
    assert read_html(source) == [
        "Acme & Sons\nAnnual report\n\nFiscal years | 2023 | 2022\nNet sales | $4,210 | $3,905",
        "Second page\n\nUnclosed tags\n\nare fine",
    ]


BREAK = "<hr style='page-break-after: always'>"
INNER = "<table><tr><td>Revenue</td><td>$</td><td>100</td></tr><tr><td>Cost</td><td>60</td></tr></table>"


@pytest.mark.parametrize(
    ("source", "pages"),
    [
        ("<table><tr><td>Revenue<td>100<td>90<tr><td>Cost<td>60</table>b", ["Revenue | 100 | 90\nCost | 60\nb"]),
        ("<table><thead><tr><th>Year<th>2023<tbody><tr><td>Revenue<td>100", ["Year | 2023\nRevenue | 100"]),
        (f"<table><tr><td><p>a</p>{INNER}after<td>b</table>", ["a\n\nRevenue | $100\nCost | 60\nafter\nb"]),
        ("<table><tr><td>Cash<td><table><tr><td>$<td>100</table><td>90</table>", ["Cash | $100 | 90"]),
        (f"<table><tr><td><p>one</p>{BREAK}{INNER}</table>two", ["one", "Revenue | $100\nCost | 60\ntwo"]),
        ("<table><tr><td>x<td>2<tr style='page-break-before:always'><td>y<td>3</table>", ["x | 2", "y | 3"]),
        ("<p style='display:none'>x<p>Revenue was 5", ["Revenue was 5"]),
        ("<p style='display:none'>x<div>Revenue was 5</div>", ["Revenue was 5"]),
        ("<ul><li style='display:none'>x<li>y</ul>", ["y"]),
        ("<div style='display:none'><p>x<table><tr><td>y</table></div>seen", ["seen"]),
        ("<head><title>no</title><body><p>Revenue", ["Revenue"]),
        ("<div>a<table><tr><td>Revenue</div></p><td>5</table>b</div>", ["a\nRevenue | 5\nb"]),
        ("", [""]),
    ],
)
def test_html_that_leaves_out_end_tags_or_nests_tables_is_read_as_browsers_do(source: str, pages: list[str]) -> None:
    assert read_html(source) == pages


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("<div>", ""),
        ("<ul><li>", ""),
        ("<div><b>", ""),
        ("<table><tr><td>", ""),
        ("<table><tr><td>a<td><div>", "a"),
        ("<sup>", ""),
    ],
)
def test_what_nests_without_end_is_read_in_time(unit: str, text: str) -> None:
    """Time grows with the file, not with its square."""
    seconds, (page,) = lowest_cpu_seconds(lambda: read_html(unit * 16_000 + "end"), under=5)
    assert seconds < 5
    assert page.count(text) == 16_000 if text else page.strip("[]") == "end"


def test_tables_within_each_other_keep_their_rows() -> None:
    inner = "<table><tr><td>Sales<td>5<tr><td>Cost<td>4</table>"
    for depth in (1, 5, 11, 40):
        (page,) = read_html("<table><tr><td>" * depth + inner)
        assert page == ("Sales | 5\nCost | 4" if depth < 12 else "Sales\n5\nCost\n4")


def test_a_page_that_breaks_at_a_cell_breaks_at_its_row() -> None:
    rows = "<tr><td>a<td>1<tr><td style='page-break-before:always'>b<td>2<tr><td>c<td>3"
    assert read_html(f"<table>{rows}</table>") == ["a | 1", "b | 2\nc | 3"]


def test_a_mark_of_a_footnote_stays_in_its_line() -> None:
    assert read_html("Sales of 12<sup>2</sup><p>m") == ["Sales of 12 [2]\n\nm"]
    assert read_html("<p>a<hr><sup>2</sup> b") == ["a\n\n[2] b"]
