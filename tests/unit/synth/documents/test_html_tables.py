"""Tables of HTML: each value keeps its column, whatever cells are blank, spanned, or hold a sign alone."""

import pytest

from rayrl.synth.documents.html import read_html


def table(*rows: str) -> list[str]:
    source = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row.split('|'))}</tr>" for row in rows)
    return read_html(f"<p>.</p><table>{source}</table>")[0].split("\n")[2:]


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            ["|2024|2023|2022", "Sales|3|2|1", "Gain||45|12"],
            [" | 2024 | 2023 | 2022", "Sales | 3 | 2 | 1", "Gain |  | 45 | 12"],
        ),
        (
            ["USD|2024|2023", "Sales|2|1", "Gain|&nbsp;|7", "Loss|7|&#8203;"],
            ["USD | 2024 | 2023", "Sales | 2 | 1", "Gain |  | 7", "Loss | 7 | "],
        ),
        (["|2024|2023", "Gain| |7", "Loss|<br>|(5)"], [" | 2024 | 2023", "Gain |  | 7", "Loss |  | (5)"]),
        (["A|5|", "B||7"], ["A | 5 | ", "B |  | 7"]),
        (["|2024||2023", "Sales|5||4", "Gain|||4"], [" | 2024 | 2023", "Sales | 5 | 4", "Gain |  | 4"]),
        (
            ["Income|2024|2023", "Sales:||", "Glass||4", "||4"],
            ["Income | 2024 | 2023", "Sales:", "Glass |  | 4", " |  | 4"],
        ),
        (["Assets|2024|Debts|2024", "Cash||Loans|4"], ["Assets | 2024 | Debts | 2024", "Cash |  | Loans | 4"]),
        (["|2024|2023", "Sales|$|5|$|4", "Gain|||$|4"], [" | 2024 | 2023", "Sales | $5 | $4", "Gain |  | $4"]),
    ],
)
def test_blank_cells_keep_their_place(rows: list[str], lines: list[str]) -> None:
    assert table(*rows) == lines


FILING = """<table>
<tr><td colspan="3"></td><td colspan="3"></td><td colspan="3"></td></tr>
<tr><td colspan="3">(in millions)</td><td colspan="3">2024</td><td colspan="3">2023</td><td colspan="3">2022</td></tr>
<tr><td colspan="3">Net sales</td>
<td>$</td><td>5,363</td><td></td>
<td>$</td><td>4,869</td><td></td>
<td>$</td><td>4,100</td><td></td></tr>
<tr><td colspan="3">Impairment</td><td colspan="2">&#8212;</td><td></td>
<td colspan="2">&nbsp;</td><td></td>
<td colspan="2">(12</td><td>)</td></tr>
<tr><td colspan="3">Disposals</td><td colspan="2"></td><td></td>
<td colspan="2">45</td><td></td>
<td colspan="2"></td><td></td></tr>
<tr><td colspan="3">Margin</td><td colspan="2">12.5</td><td>%</td><td colspan="2"></td><td></td>
<td colspan="2">9.0</td><td>%</td></tr>
<tr><td colspan="3">Net loss</td>
<td>$</td><td>(3</td><td>)</td>
<td>$</td><td></td><td></td>
<td>$</td><td>(5</td><td>)<sup>(2)</sup></td></tr>
</table>"""
OLDER = """<TABLE>
<TR><TD>&nbsp;</TD><TD>&nbsp;</TD>
<TD COLSPAN=2>2003</TD><TD>&nbsp;</TD>
<TD COLSPAN=2>2002</TD><TD>&nbsp;</TD>
<TD COLSPAN=2>2001</TD><TD>&nbsp;</TD>
<TR><TD>Revenue</TD><TD>&nbsp;</TD><TD>$</TD><TD>100</TD><TD>&nbsp;</TD><TD>$</TD><TD>90</TD>
<TD>&nbsp;</TD><TD>$</TD><TD>80</TD><TD>&nbsp;</TD>
<TR><TD>Goodwill</TD><TD>&nbsp;</TD><TD>&nbsp;</TD><TD>&nbsp;</TD><TD>&nbsp;</TD><TD>&nbsp;</TD><TD>9</TD>
<TD>&nbsp;</TD><TD>&nbsp;</TD><TD>(8</TD><TD>)</TD>
<TR><TD>&nbsp;</TD><TD>&nbsp;</TD><TD>$</TD><TD>100</TD><TD>&nbsp;</TD><TD>$</TD><TD>99</TD>
<TD>&nbsp;</TD><TD>$</TD><TD>72</TD><TD><SUP>2</SUP></TD>
</TABLE>"""


def test_filings_that_give_signs_cells_of_their_own_keep_one_column_for_each_year() -> None:
    assert read_html(FILING)[0].split("\n") == [
        "(in millions) | 2024 | 2023 | 2022",
        "Net sales | $5,363 | $4,869 | $4,100",
        "Impairment | — |  | (12)",
        "Disposals |  | 45 | ",
        "Margin | 12.5% |  | 9.0%",
        "Net loss | $(3) |  | $(5) [2]",
    ]
    assert read_html(f"a{OLDER}")[0].split("\n")[1:] == [
        " | 2003 | 2002 | 2001",
        "Revenue | $100 | $90 | $80",
        "Goodwill |  | 9 | (8)",
        " | $100 | $99 | $72 [2]",
    ]


def test_cells_that_span_are_told_for_each_row_and_column() -> None:
    source = """<table><tr><th rowspan="2">Region</th>
    <th colspan="2">Three months</th><th colspan="2">Six months</th></tr>
    <tr><th>2024</th><th>2023</th><th>2024</th><th>2023</th></tr>
    <tr><td rowspan="2">Europe</td><td>1</td><td>2</td><td>3</td><td>4</td></tr>
    <tr><td>5</td><td></td><td>6</td><td>7</td></tr>
    <tr><td>Asia</td><td colspan="2">not reported</td><td>8</td><td>9</td></tr></table>"""
    assert read_html(source)[0].split("\n") == [
        "Region | Three months | Three months | Six months | Six months",
        "Region | 2024 | 2023 | 2024 | 2023",
        "Europe | 1 | 2 | 3 | 4",
        "Europe | 5 |  | 6 | 7",
        "Asia | not reported | not reported | 8 | 9",
    ]


def test_what_stands_above_all_columns_is_told_once_and_long_cells_are_not_repeated() -> None:
    note = "A note that runs on. " * 8
    source = f"""<table><tr><td colspan="3">Results of operations</td></tr>
    <tr><td></td><td colspan="2">Years ended</td></tr>
    <tr><td></td><td>2024</td><td>2023</td></tr><tr><td>Sales</td><td>1</td><td>2</td></tr>
    <tr><td rowspan="2">{note}</td><td>3</td><td>4</td></tr><tr><td>5</td><td>6</td></tr></table>"""
    assert read_html(source)[0].split("\n") == [
        "Results of operations",
        "Years ended",
        " | 2024 | 2023",
        "Sales | 1 | 2",
        f"{note.strip()} | 3 | 4",
        " | 5 | 6",
    ]


def test_hidden_rows_and_cells_are_no_part_of_a_table() -> None:
    source = """<table><tr><td>Sales</td><td style="display:none">secret</td><td>5</td></tr>
    <tr style="display:none"><td>x</td><td>y</td></tr>
    <tr hidden><td>z</td></tr><tr><td>Cost</td><td>4</td></tr></table>"""
    assert read_html(source) == ["Sales | 5\nCost | 4"]


def test_bullets_in_cells_begin_their_line_and_huge_spans_cost_nothing() -> None:
    assert read_html("<table><tr><td>&nbsp;<td>&#8226;<td>Sales rose.</table>") == ["• Sales rose."]
    spans = "<td rowspan=999999 colspan=999999>x</td>" * 3
    assert read_html(f"<table><tr>{spans}<tr><td>y</table>")[0].startswith("x | x | x")
