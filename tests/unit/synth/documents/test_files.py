"""Files -> pages: what is kept of tables and pages, and what is said of files that cannot be read."""

from pathlib import Path

import pytest

from rayrl.errors import DataError
from rayrl.jsonl import Journal
from rayrl.synth.documents.files import find_files, read_all, read_file
from rayrl.synth.documents.table_rows import join_cells
from rayrl.synth.settings import SynthDocuments
from tests.unit.synth.documents.pdf_files import STATEMENT, write_pdf

SETTINGS = SynthDocuments()


def test_a_pdf_keeps_its_pages_rows_and_columns(tmp_path: Path) -> None:
    pages = read_file(write_pdf(tmp_path / "acme.pdf", STATEMENT), SETTINGS).texts
    assert pages == [
        "Acme Corp\nFiscal years | 2023 | 2022\nNet sales | $4,210 | $3,905\nNet loss | (120) | (95)",
        "",
        "The company employs 12,400 people, most of them in Europe.",
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["Net sales", "$", "5,363", "", "$", "4,869"], "Net sales | $5,363 | $4,869"),
        (["Other, net", "(1,577", ")", "(1", ")"], "Other, net | (1,577) | (1)"),
        (["Margin", "12.5", "%"], "Margin | 12.5%"),
        (["Shares (in\n millions)", "7"], "Shares (in millions) | 7"),
    ],
)
def test_signs_and_brackets_stay_with_their_number(cells: list[str], expected: str) -> None:
    assert join_cells(cells) == expected


def test_text_ends_pages_at_form_feeds(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\x0cthree\n")
    assert read_file(tmp_path / "a.txt", SETTINGS).texts == ["one\ntwo", "three"]


def test_files_that_cannot_be_read_are_named_with_the_reason_and_the_others_are_read(tmp_path: Path) -> None:
    write_pdf(tmp_path / "locked.pdf", STATEMENT, encrypted=True)
    write_pdf(tmp_path / "scan.pdf", [[], []])
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    (tmp_path / "empty.html").write_text("<html><body></body></html>")
    (tmp_path / "latin.txt").write_bytes("Erlöse".encode("latin-1"))
    (tmp_path / "good.txt").write_text("good")
    journal = Journal(tmp_path / "pages.jsonl")
    problems = {read.name: read.problem for read in read_all(find_files([str(tmp_path)]), SETTINGS, journal)}
    journal.close()
    assert problems.pop("good.txt") is None
    says = {
        "locked.pdf": "encrypted: it needs a password",
        "scan.pdf": "none of its 2 pages has text: scanned?",
        "broken.pdf": "no readable PDF",
        "empty.html": "holds no text",
        "latin.txt": "no text in utf-8 (documents.encoding)",
    }
    assert problems.keys() == says.keys()
    for name, part in says.items():
        assert part in str(problems[name]), problems[name]
    latin = SynthDocuments(encoding="latin-1")
    assert read_file(tmp_path / "latin.txt", latin).texts == ["Erlöse"]


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not read within 0\.001 s"):
        read_file(write_pdf(tmp_path / "a.pdf", STATEMENT), SynthDocuments(deadline_s=0.001))


def test_paths_name_files_folders_and_patterns_and_say_what_matches_nothing(tmp_path: Path) -> None:
    for name in ("a/x.txt", "a/deep/y.html", "b/x.txt", "b/z.docx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    assert list(find_files([str(tmp_path / "a")])) == ["deep/y.html", "x.txt"]
    assert list(find_files([str(tmp_path / "**" / "*.html")])) == ["y.html"]
    (tmp_path / "10-K [2022].txt").write_text("text")
    assert list(find_files([str(tmp_path / "10-K [2022].txt")])) == ["10-K [2022].txt"]
    both = find_files([str(tmp_path / "a"), str(tmp_path / "b")])
    assert len(both) == 3
    assert [name for name in both if name.endswith("/a/x.txt") or name.endswith("/b/x.txt")]
    with pytest.raises(DataError, match=r"none of \.pdf.*convert it"):
        find_files([str(tmp_path / "b" / "*")])
    with pytest.raises(DataError, match="is no file or folder, and as a pattern matches none"):
        find_files([str(tmp_path / "c*")])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"holds no .pdf"):
        find_files([str(tmp_path / "nothing")])


def test_a_journal_drops_what_a_kill_cut_off_and_reads_the_rest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append({"key": "a", "value": "é"})
    journal.append({"key": "b", "value": 2})
    journal.close()
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"key": "c", "val')
    journal = Journal(tmp_path / "j")
    assert ("a" in journal, "c" in journal, journal["b"]["value"]) == (True, False, 2)
    journal.append({"key": "c", "value": 3})
    journal.close()
    again = Journal(tmp_path / "j")
    assert [again[key]["value"] for key in "abc"] == ["é", 2, 3]
    again.close()
