"""The published cases of documents that other tools read wrongly, where they are: ../shared/data/cases/documents."""

import re
from pathlib import Path

import pytest

from rayrl.synth.documents.files import read_file
from rayrl.synth.filters.evidence import unsupported_figures
from rayrl.synth.settings import SynthDocuments

CASES = Path(__file__).resolve().parents[5] / "shared" / "data" / "cases" / "documents"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/data/cases/documents")


def text(name: str) -> str:
    return "\n\n".join(read_file(CASES / name, SynthDocuments()).texts)


def cells(name: str, label: str) -> list[str]:
    line = next(line for line in text(name).split("\n") if line.startswith(label))
    return [cell.strip() for cell in line.split(" | ")]


def test_hidden_facts_of_inline_xbrl_stay_out() -> None:
    read = text("ixbrl.htm")
    assert "888888" not in read
    assert "0009999123" not in read
    assert "operates a fleet of 1,500 barges." in read
    assert "Net loss | $(41,205) | $(9,318)\nEffective tax rate | 21.4% | 19.9%" in read


def test_blank_cells_and_spans() -> None:
    assert cells("blank_cells.html", "Goodwill impairment") == ["Goodwill impairment", "", "45", "12"]
    assert cells("blank_cells.html", "Gain on disposal") == ["Gain on disposal", "", "", "7"]
    lines = text("spans.html").split("\n")
    assert [line.split(" | ")[:2] for line in lines if "Operating profit" in line] == [
        ["Bottles", "Operating profit"],
        ["Windows", "Operating profit"],
    ]
    periods, years = (line.split(" | ") for line in lines[2:4])
    assert list(zip(periods, years, strict=True))[2:] == [
        (f"{period} months ended June 30", year) for period in ("Three", "Six") for year in ("2024", "2023")
    ]


def test_footnotes() -> None:
    for name in ("footnotes.html", "footnotes.pdf"):
        read = text(name)
        assert re.search(r"5,120(?!\d)", read)
        assert re.search(r"18,400(?!\d)", read)
    read = text("footnotes.html")
    assert "$640 million" in read
    assert "[2] Excludes options." in read
    assert not unsupported_figures("$5,120 million", read, (read,))
    assert unsupported_figures("$51,202 million", read, (read,))


def test_pdfs() -> None:
    upright = "Maturity | 2024 | 2023\nWithin one year | 1,204 | 988\nOne to five years | 3,310 | (2,907)\n"
    assert text("rotated.pdf") == "\n\n".join([f"{upright}After five years | 575 | 611"] * 2)
    assert text("signs.pdf") == "Other income (expense), net | $(1,204) | $—\nChange | (3.2)% | 4.8%"
    assert " | " not in text("justified.pdf")
    assert text("two_columns.pdf").count(" | ") == 4


def test_furniture_submissions_and_encodings() -> None:
    read = text("page_headers.htm")
    assert "expect to convert\n\napproximately 60%" in read
    assert not re.search(r"Table of Contents|4[123]", read)
    assert text("full-submission.txt") == (
        "Pell Harbour Ltd had revenue of $1,204 million in 2024.\n\nNet loss | $(88)"
    )
    assert text("cp1252.htm") == "Corlu & Sons’ revenue was € 35 million – up 4% on 2023."
