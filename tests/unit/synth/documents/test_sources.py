"""What a file is, and what of it is text: submissions, pages under other names, encodings, page furniture."""

import json
from pathlib import Path

import pytest

from rayrl.errors import DataError
from rayrl.synth.documents.files import read_file
from rayrl.synth.documents.html import read_html
from rayrl.synth.documents.running_heads import strip_running_heads
from rayrl.synth.pipeline import Synthesis
from rayrl.synth.settings import SynthConfig, SynthDocuments

SETTINGS = SynthDocuments()
UU = "begin 644 logo.jpg\n" + "M_]C_X``02D9)1@`!`0$`8`!@``#_X0`B17AI9@``34T`*@````@``0$2``,`\n" * 3 + "`\nend\n"
PAGE = "<html><body><p>Pell Harbour had revenue of $5 million.</p></body></html>"


def part(kind: str, text: str, name: str = "a.htm") -> str:
    return f"<DOCUMENT>\n<TYPE>{kind}\n<SEQUENCE>1\n<FILENAME>{name}\n<TEXT>\n{text}\n</TEXT>\n</DOCUMENT>\n"


def read(tmp_path: Path, text: str | bytes, name: str = "a.txt") -> tuple[list[str], dict[str, int]]:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    pages = read_file(tmp_path / name, SETTINGS)
    return pages.texts, dict(pages.left_out)


@pytest.mark.parametrize("name", ["a.txt", "a.htm", "a.md"])
@pytest.mark.parametrize(
    "head", ["<SEC-DOCUMENT>1.txt : 2025\n<SEC-HEADER>\nTYPE: 10-K\n</SEC-HEADER>\n", "<SUBMISSION>\n<TYPE>10-K\n", ""]
)
def test_of_a_submission_the_main_document_is_read_and_the_others_are_counted(
    tmp_path: Path, name: str, head: str
) -> None:
    others = part("EX-21.1", "<p>Subsidiaries</p>") + part("GRAPHIC", UU, "logo.jpg") * 2
    pages, left_out = read(tmp_path, head + part("10-K", PAGE) + others, name)
    assert pages == ["Pell Harbour had revenue of $5 million."]
    assert left_out == {"EX-21.1 of a submission": 1, "GRAPHIC of a submission": 2}


def test_main_documents_in_xbrl_or_plain_text_or_behind_exhibits_are_read(tmp_path: Path) -> None:
    wrapped = part("EX-99.1", "Press release") + part("10-Q", f"<XBRL>\n<?xml version='1.0'?>\n{PAGE}\n</XBRL>")
    assert read(tmp_path, wrapped)[0] == ["Pell Harbour had revenue of $5 million."]
    plain = "Sales of A &amp; B rose.\n<TABLE>\n<CAPTION>\n<S>     <C>\nSales   5\n</TABLE>\n<PAGE>\nSecond page."
    pages, _ = read(tmp_path, part("10-K405", plain, "a.txt"))
    assert [page.split() for page in pages] == [
        ["Sales", "of", "A", "&", "B", "rose.", "Sales", "5"],
        ["Second", "page."],
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (part("10-K", UU, "k.pdf"), r"main document \(10-K k\.pdf\) is no text but uuencoded"),
        (part("10-K", f"<PDF>\n{UU}</PDF>", "k.pdf"), r"main document \(10-K k\.pdf\) is no text but PDF"),
        (part("4", "<XML>\n<a>1</a>\n</XML>", "f.xml"), r"main document \(4 f\.xml\) is no text but XML"),
        (part("EX-99", PAGE) + part("GRAPHIC", UU), "submission without a main document: it holds EX-99, GRAPHIC"),
        ("<SEC-DOCUMENT>1.txt\n", "submission without a main document: it holds no <DOCUMENT>"),
        ("a\0b", "holds binary data, no text"),
    ],
)
def test_what_holds_no_readable_document_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(tmp_path, text)


def test_a_file_is_read_as_what_it_holds(tmp_path: Path) -> None:
    for text in (
        f"<!-- saved -->\n<!DOCTYPE html>{PAGE}",
        f"\ufeff{PAGE}",
        "<div><p>Pell Harbour had revenue of $5 million.</div>",
    ):
        assert read(tmp_path, text)[0] == ["Pell Harbour had revenue of $5 million."]
    assert read(tmp_path, "<5% of sales\nand a < b")[0] == ["<5% of sales\nand a < b"]
    assert read(tmp_path, "<div>\n\n# Title\n</div>", "a.md")[0] == ["<div>\n\n# Title\n</div>"]
    assert read(tmp_path, f"Text.\n{UU}More.") == (["Text.\nMore."], {"uuencoded part": 1})
    assert read(tmp_path, "Sales²\nbegin 644 people")[0] == ["Sales [2]\nbegin 644 people"]


META = '<html><head><meta charset="{0}"></head><body>€ 35 million – für „A“</body></html>'


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        (META.format("windows-1252"), "cp1252"),
        (META.format("ISO-8859-1"), "cp1252"),
        (META.format("utf-8"), "utf-8"),
        (META.format("iso-8859-1"), "utf-8"),
        (META.format("utf-16"), "utf-8"),
        (META.format("iso-8859-15").replace("–", "-").replace("„A“", "A"), "iso-8859-15"),
        (f"<?xml version='1.0' encoding='windows-1252'?>{META.replace('meta', 'link')}", "cp1252"),
        (META.replace("charset", "content='text/html; charset=cp1252' data-x").format(""), "cp1252"),
        (META.format("utf-8"), "utf-8-sig"),
        (META.format("utf-8"), "utf-16"),
        (META.format("utf-8"), "utf-32"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_declares(tmp_path: Path, source: str, encoding: str) -> None:
    (page,), _ = read(tmp_path, source.encode(encoding), "a.html")
    assert page.startswith("€ 35 million")
    assert "für" in page


def test_the_setting_overrides_and_what_fits_no_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_bytes(META.format("utf-8").encode("cp1252"))
    with pytest.raises(DataError, match=r"no text in utf-8, which it declares; set documents\.encoding"):
        read_file(file, SETTINGS)
    assert read_file(file, SynthDocuments(encoding="cp1252")).texts == ["€ 35 million – für „A“"]
    file.write_bytes(META.format("klingon").encode("cp1252"))
    with pytest.raises(DataError, match="no text in klingon, which it declares"):
        read_file(file, SETTINGS)
    (tmp_path / "b.txt").write_bytes("Erlöse".encode("utf-16"))
    assert read_file(tmp_path / "b.txt", SETTINGS).texts == ["Erlöse"]


LINK = '<p><a href="#toc">Table of Contents</a></p>'
FOOT = "<p>Acme Corp. 2024 Form 10-K</p>"
FIRST, SECOND = "We expect to convert most of our backlog", "into revenue within twelve months."


@pytest.mark.parametrize(
    "between",
    [
        ("<p>41</p><hr style='page-break-after:always'>" + LINK, "<p>42</p>"),
        ("<p>41</p><hr>" + LINK, "<p>42</p>"),
        (LINK + "<div>- 41 -</div><div style='page-break-before:always'>", "<div>- 42 -</div>"),
        (f"{FOOT}<p>Page 41 of 90</p><div style='break-after:page'></div>", f"{FOOT}<p>Page 42 of 90</p>"),
        ("<p>F-9</p><hr style='page-break-after:always'><p>Acme Corp.</p><p>(continued)</p>", "<p>F-10</p>"),
        ("<p>ix</p><hr/>", "<p>x</p>"),
        ("<p>41</p><p>Table of Contents</p>", "<p>42</p><p>Table of Contents</p>"),
    ],
)
def test_page_furniture_is_never_within_a_sentence(tmp_path: Path, between: tuple[str, str]) -> None:
    above, last = between
    source = (
        f"<html><body>{LINK}<p>Acme Corp.</p><p>(continued)</p><p>{FIRST}</p>{above}<p>{SECOND}</p>{last}</body></html>"
    )
    pages, left_out = read(tmp_path, source, "a.htm")
    assert f"{FIRST}\n\n{SECOND}" in "\n\n".join(pages)
    assert left_out["line of page furniture"] >= 2


def test_what_repeats_but_parts_no_sentence_stays_and_so_do_values() -> None:
    pages = ["Acme Corp.\nBalance sheet\nCash | 5\n7", "Acme Corp.\nIncome\nSales | 5\n9", "Acme Corp.\nEquity\n2,310"]
    assert strip_running_heads(pages) == (pages, 0)
    numbered = [f"Acme Corp.\nText {number}.\n{number}" for number in range(5, 9)]
    assert strip_running_heads(numbered) == ([f"Acme Corp.\nText {number}." for number in range(5, 9)], 4)
    assert read_html("<p>See the <a href='#t'>Table of Contents</a> for more.</p>") == [
        "See the Table of Contents for more."
    ]


def test_what_is_left_out_is_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(part("10-K", PAGE) + part("EX-21", "x"))
    config = SynthConfig.model_validate({"documents": {"paths": [str(tmp_path / "a.txt")], "written": 1}})
    for _ in range(2):  # the second time from the journal
        run = Synthesis(config, tmp_path)
        run.filings()
        run.read()
        assert json.loads(json.dumps(run.report.tree()))["documents"]["left_out"] == {"EX-21 of a submission": 1}
        assert "  left out: 1 x EX-21 of a submission" in run.report.lines()
