"""Stores of filings: kept on disk, made again when a document or a setting changes, undisturbed by another maker."""

import io
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from rayrl.data.filings import Filings, StoreSettings
from rayrl.data.retrieval import Retriever
from rayrl.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYRL_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "filings"
    made.mkdir()
    (made / "A.txt").write_text("Apples are sold in autumn.\n\fPears are sold in winter.\n")
    (made / "B.html").write_text("<p>Bananas are sold all year.</p>")
    return made


def stores(folder: Path) -> set[Path]:
    return set((folder.parent / "cache/stores").iterdir())


def test_a_store_finds_pages_best_first_and_nothing_that_does_not_match(folder: Path) -> None:
    store = Filings(folder).store(["A", "B"], StoreSettings(unit="pages"))
    assert [chunk.id for chunk in store.search("pears in winter")] == ["A#2"]
    assert {chunk.id for chunk in store.search("what is sold")} == {"A#1", "A#2", "B#1"}
    assert store.search("zebra") == []
    (pear,) = store.search("pears")
    assert (pear.text, pear.page_start, pear.page_end) == ("Pears are sold in winter.", 2, 2)


def test_chunks_have_the_size_that_is_asked_for(folder: Path) -> None:
    (folder / "C.txt").write_text("\n".join(f"Line {number} of the filing." for number in range(200)))
    pool = Filings(folder).store(["C"], StoreSettings(chunk_characters=100, chunk_overlap=30)).pool
    assert max(len(chunk.text) for chunk in pool) <= 100
    assert any(one.end > other.start for one, other in pairwise(pool)), "they overlap"
    assert {chunk.page_start for chunk in pool} == {1}


def test_what_is_in_the_cache_is_neither_read_nor_indexed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Filings(folder).store(["A"], StoreSettings())
    monkeypatch.setattr("rayrl.synth.documents.files.read_file", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(Retriever, "save", lambda *_: pytest.fail("made again"))
    again = Filings(folder).store(["A"], StoreSettings())
    assert again.pool == first.pool
    assert [one.id for one in again.search("apples")] == [one.id for one in first.search("apples")] == ["A#0"]


def test_a_terminal_shows_how_many_filings_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("rayrl.data.filings.Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    filings = Filings(folder)
    filings.read(["A"])
    first = shown.getvalue()
    assert "reading filings" in first
    assert "1/2" in first
    assert "2/2" not in first
    filings.read(["A", "B"])
    assert "2/2" in shown.getvalue()
    before = shown.getvalue()
    filings.read(["A", "B"])
    assert shown.getvalue() == before, "nothing is read"


def test_another_document_or_setting_makes_another_store(folder: Path) -> None:
    settings = StoreSettings(unit="pages")
    Filings(folder).store(["A"], settings)
    for other in (StoreSettings(), StoreSettings(unit="pages", chunk_overlap=0)):
        before = stores(folder)
        Filings(folder).store(["A"], other)
        assert len(stores(folder)) == len(before) + 1
    before = stores(folder)
    (folder / "A.txt").write_text("Cherries are sold in June.")
    store = Filings(folder).store(["A"], settings)
    assert [one.text for one in store.search("cherries")] == ["Cherries are sold in June."]
    assert store.search("apples") == []
    assert len(stores(folder)) == len(before) + 1
    (folder / "B.html").write_text("<p>Another.</p>")
    Filings(folder).store(["A"], settings)
    assert len(stores(folder)) == len(before) + 1, "a document beside it changes nothing"


def test_makers_of_one_store_do_not_break_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Retriever.save

    def save_late(self: Retriever, place: Path) -> None:
        save(self, place)
        if not (folder.parent / "raced").exists():
            (folder.parent / "raced").touch()
            Filings(folder).store(["A"], StoreSettings())  # another is first

    monkeypatch.setattr(Retriever, "save", save_late)
    store = Filings(folder).store(["A"], StoreSettings())
    assert store.search("apples")
    (kept,) = stores(folder)
    assert not kept.name.startswith("."), "no draft is left"


def test_an_interrupted_maker_leaves_no_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("bm25s.BM25.save", fail)
        with pytest.raises(KeyboardInterrupt):
            Filings(folder).store(["A"], StoreSettings())
    assert not stores(folder)
    assert Filings(folder).store(["A"], StoreSettings()).search("apples")


def test_two_files_of_one_name_and_settings_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"chunk_overlap \(60\) must be at most half of chunk_characters \(100\)"):
        StoreSettings(chunk_characters=100, chunk_overlap=60)
    shutil.copy(folder / "A.txt", folder / "A.md")
    with pytest.raises(DataError, match=r"options\.documents: .*A\.md' and '.*A\.txt' have one name; remove one"):
        Filings(folder)


def test_an_empty_folder_and_a_file_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"options\.documents: folder '.*empty' holds no \.pdf"):
        Filings(tmp_path / "empty")
    (tmp_path / "empty/ACME.txt").symlink_to(folder / "A.txt")
    assert Filings(tmp_path / "empty").files.keys() == {"ACME"}


def test_a_cache_that_cannot_be_written_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYRL_CACHE", str(folder / "A.txt" / "x"))
    with pytest.raises(ConfigError, match="RAYRL_CACHE"):
        Filings(folder).store(["A"], StoreSettings())


def test_several_processes_make_one_store_at_once(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rayrl.data.filings import Filings, StoreSettings; "
        "print([c.id for c in Filings(Path(sys.argv[1])).store(['A', 'B'], StoreSettings()).search('apples')])"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [one.communicate(timeout=200)[0] for one in started] == ["['A#0']\n"] * 2
    assert len(stores(folder)) == 1
