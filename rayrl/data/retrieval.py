"""Which chunks retrieval finds for a question, and whether one of them answers it."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rayrl.data.row import Row
from rayrl.jsonl import read_jsonl, write_jsonl
from rayrl.synth.chunks import Chunk
from rayrl.synth.filters.evidence import is_quoted, squeeze

if TYPE_CHECKING:  # it takes Numba along, which few need
    from bm25s import BM25

COVERED = 0.9
"""A chunk that has this share of an unanswerable question's words might answer it: it is no distractor there."""


class Retriever:
    """BM25 over the chunks of some documents."""

    def __init__(self, pool: list[Chunk], index: "BM25 | None" = None) -> None:
        self.pool = pool
        self.by_id = {chunk.id: chunk for chunk in pool}
        self._index = index or _indexed(pool)

    @classmethod
    def load(cls, folder: Path) -> "Retriever":
        """What `save` wrote."""
        from bm25s import BM25

        pool = [Chunk(**record) for record in read_jsonl(folder / _CHUNKS)]
        return cls(pool, BM25.load(folder / _INDEX, show_progress=False))

    def save(self, folder: Path) -> None:
        """Writes chunks and index into a folder, which must be there."""
        write_jsonl(folder / _CHUNKS, (chunk.record() for chunk in self.pool))
        self._index.save(folder / _INDEX, show_progress=False)

    def search(self, question: str) -> list[Chunk]:
        """Chunks that match a question at all, best first; of two alike, the first in the pool."""
        from bm25s import tokenize

        query = tokenize(question, stopwords="en", return_ids=False, show_progress=False)[0]
        scores = self._index.get_scores(query)
        order = np.argsort(-scores, kind="stable")[: int(np.count_nonzero(scores > 0))]
        return [self.pool[index] for index in order]

    def ranked(self, gold: Chunk, questions: list[str]) -> list[Chunk]:
        """Chunks that match the questions, best first, without `gold` and what overlaps it."""
        found = self.search(" ".join(questions))
        return [c for c in found if c.document != gold.document or c.end <= gold.start or c.start >= gold.end]


_CHUNKS, _INDEX = "chunks.jsonl", "index"


def _indexed(pool: list[Chunk]) -> "BM25":
    from bm25s import BM25, tokenize

    index = BM25()
    index.index(tokenize([c.text for c in pool], stopwords="en", show_progress=False), show_progress=False)
    return index


_WORD = re.compile(r"[a-z]{3,}|\d+(?:\.\d+)?")


def covers(chunk: Chunk, question: str) -> bool:
    """Whether a chunk has nearly all words of a question."""
    asked = set(_WORD.findall(squeeze(question))) - _ASKING
    return len(asked & _words(chunk)) >= COVERED * len(asked)


@lru_cache(maxsize=4096)
def _words(chunk: Chunk) -> frozenset[str]:
    return frozenset(_WORD.findall(squeeze(chunk.text)))


_ASKING = frozenset(
    re.findall(
        r"\S+",
        "what which how much many high was were did does the and for from with end its report figure fiscal "
        "year between percentage change decimal place places round one two increase decrease comparing there",
    )
)


def tells(chunk: Chunk, row: Row) -> bool:
    """Whether a chunk states what the answer of a row rests on: its evidence, or its figures."""
    if any(is_quoted(passage, chunk.text) for passage in row["evidence"]):
        return True
    stated = _words(chunk)
    answer = _figures([row["answer"]])
    evidence = _figures(row["evidence"])
    return bool(answer and answer <= stated) or bool(evidence and evidence <= stated)


def _figures(texts: Iterable[str]) -> set[str]:
    """Numbers of three characters or more that are no years."""
    found = re.findall(r"\d+(?:\.\d+)?", squeeze(" ".join(texts)))
    return {number for number in found if len(number) > 2 and not re.fullmatch(r"(?:19|20)\d\d", number)}
