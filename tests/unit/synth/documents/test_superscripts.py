"""Raised characters: figures stay what they are, marks stand apart, powers and units stay powers and units."""

import pytest

from rayrl.synth.documents.html import read_html
from rayrl.synth.documents.superscripts import resolve_superscripts
from rayrl.synth.filters.evidence import unsupported_figures


def up(text: str) -> str:
    return read_html(f"<p>{text}</p>")[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("5,120<sup>2</sup>", "5,120 [2]"),
        ("18,400<sup>3,4</sup> people", "18,400 [3][4] people"),
        ("18,400<sup>3</sup><sup>,</sup> <sup>4</sup>", "18,400 [3][4]"),
        ("$640<sup>5</sup> million", "$640 million [5]"),
        ("$640<sup>5</sup>m in", "$640 m [5] in"),
        ("12.5<sup>(a)</sup>% of", "12.5% [a] of"),
        ("a loss of (88<sup>1</sup>)", "a loss of (88) [1]"),
        ("<sup>2</sup> Excludes options.", "[2] Excludes options."),
        ("<sup>1</sup>2024", "[1] 2024"),
        ("fiscal 2024<sup>12</sup>", "fiscal 2024 [12]"),
        ("Backlog<sup>(1)(2)</sup> rose", "Backlog [1][2] rose"),
        ("5,120² and 4,870³,⁴", "5,120 [2] and 4,870 [3][4]"),
        ("US$1.2¹ billion", "US$1.2 billion [1]"),
        ('5,120<span style="font-size:6pt;vertical-align:super">2</span>', "5,120 [2]"),
        ('5,120<font style="position:relative; top:-4pt">2</font>', "5,120 [2]"),
        ('5,120<span style="vertical-align:top;font-size:65%">(2)</span>', "5,120 [2]"),
        ("$5m<sup>2</sup> and €3m²", "$5m [2] and €3m [2]"),
        ("$10<sup>6</sup>", "$10 [6]"),
        ("Series B<sup>2</sup>", "Series B [2]"),
    ],
)
def test_marks_of_footnotes_stand_apart_from_their_figure(source: str, text: str) -> None:
    assert up(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("10<sup>6</sup> tonnes", "10⁶ tonnes"),
        ("1.5 x 10<sup>-3</sup>", "1.5 x 10⁻³"),
        ("10⁹ litres", "10⁹ litres"),
        ("500 m<sup>2</sup> at €9/m²", "500 m² at €9/m²"),
        ("1,250.5m² or 20 km<sup>2</sup>", "1,250.5m² or 20 km²"),
        ("an R<sup>2</sup> of 0.9", "an R² of 0.9"),
        ("(1 + 0.05)<sup>10</sup>", "(1 + 0.05)¹⁰"),
        ("kWh m<sup>−2</sup>", "kWh m⁻²"),
        ("4<sup>1</sup>/<sub>2</sub>% notes, 5⁷⁄₈% notes", "4 1/2% notes, 5 7/8% notes"),
        ("the 2<sup>nd</sup> quarter of Acme<sup>TM</sup>", "the 2nd quarter of AcmeTM"),
        ("CO<sub>2</sub> and CO<sup>2</sup>", "CO2 and CO2"),
        ("5,120<sup>*</sup>", "5,120*"),
        ("rose<sup>in the year</sup>", "rosein the year"),
        ('<span style="vertical-align:top">5,120</span>', "5,120"),
    ],
)
def test_what_is_no_mark_stays(source: str, text: str) -> None:
    assert up(source) == text


def test_text_that_has_nothing_raised_is_untouched_and_settling_twice_changes_nothing() -> None:
    assert resolve_superscripts("5,120 (2) and [3] | x") == "5,120 (2) and [3] | x"
    once = resolve_superscripts("5,120² of 10⁶ m²")
    assert resolve_superscripts(once) == once == "5,120 [2] of 10⁶ m²"


def test_the_filter_of_figures_reads_the_figure_and_not_the_mark() -> None:
    context = up("Backlog was $5,120<sup>2</sup> million at an area of 10<sup>6</sup> m<sup>2</sup>.")
    assert not unsupported_figures("$5,120 million", context, (context,))
    assert unsupported_figures("$51,202 million", context, (context,))
