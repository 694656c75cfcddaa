"""Chunks cover the text, keep to their size, and say where they come from."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayrl.synth.chunks import Chunk, Ruler, characters, cut
from rayrl.synth.documents.files import Document


def words(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"\w+", text)]


pages = st.lists(st.text(st.sampled_from("ab1.  \n|"), max_size=160), min_size=1, max_size=5).filter(
    lambda texts: any(text.strip() for text in texts)
)


@given(pages, st.integers(5, 60), st.integers(0, 30), st.sampled_from([characters, words]))
def test_chunks_are_spans_that_cover_all_text_within_the_size(
    texts: list[str], size: int, overlap: int, ruler: Ruler
) -> None:
    document = Document.of("d", texts)
    chunks = list(cut(document, size, min(overlap, size // 2), ruler))
    assert chunks == list(cut(document, size, min(overlap, size // 2), ruler))
    covered = set[int]()
    for chunk in chunks:
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip() == chunk.text != ""
        covered.update(range(chunk.start, chunk.end))
        first = document.starts[chunk.page_start - 1]
        assert first <= chunk.start
        after = document.starts[chunk.page_end] if chunk.page_end < len(texts) else len(document.text)
        assert chunk.end <= after
        units = ruler(document.text)
        assert sum(chunk.start <= at < chunk.end for at in units) <= size
    assert all(index in covered for index, character in enumerate(document.text) if not character.isspace())
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def cut_pages(texts: list[str], size: int, overlap: int = 0) -> list[Chunk]:
    return list(cut(Document.of("d", texts), size, overlap, characters))


def test_pages_that_fit_stay_whole() -> None:
    texts = [f"page {number}\n" + "x" * 60 for number in range(3)]
    chunks = cut_pages(texts, 80)
    assert [(chunk.page_start, chunk.page_end, chunk.text) for chunk in chunks] == [
        (number, number, text) for number, text in enumerate(texts, 1)
    ]


def test_a_long_page_is_cut_between_paragraphs_and_lines_are_repeated() -> None:
    paragraph = "first line of it\nsecond line of it"
    chunks = cut_pages(["\n\n".join([paragraph] * 4)], 80, 20)
    assert chunks[0].text == f"{paragraph}\n\n{paragraph}"
    assert chunks[1].text.startswith("second line of it\n\nfirst line")


@pytest.mark.parametrize("size", [50, 200])
def test_text_without_any_break_is_cut_at_the_size(size: int) -> None:
    chunks = cut_pages(["x" * 1000], size)
    assert "".join(chunk.text for chunk in chunks) == "x" * 1000
    assert max(len(chunk.text) for chunk in chunks) == size
