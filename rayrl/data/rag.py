"""Retrieval-aware rows: the chunk that answers among distractors that BM25 finds, as retrieval would serve it.

A dataset source: `train_data.source: rayrl.data.rag:rows`, with the fields of `RagOptions` as `train_data.options`.
"""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from rayrl.config import Settings, validated
from rayrl.data.retrieval import Retriever, covers, tells
from rayrl.data.row import Row
from rayrl.errors import DataError
from rayrl.jsonl import read_jsonl
from rayrl.synth.chunks import Chunk
from rayrl.synth.triplets import REFUSAL


class RagOptions(Settings):
    file: Path
    """train.jsonl or test.jsonl of a `rayrl synth` run."""
    chunks: Path | None = None
    """Its chunks.jsonl. None: beside `file`."""
    distractors: int = Field(3, ge=0)
    """Chunks put beside the one that answers, best matches first. Only documents of `file` give any, so that train and
    test share none."""
    same_document: int | None = Field(None, ge=0)
    """At most so many of them from the document of the one that answers. None: as they rank."""
    gold_missing: float = Field(0.1, ge=0, le=1)
    """Share of answerable questions whose chunk is left out (one more distractor in its place): the answer is then that
    it cannot be answered."""
    order: Literal["shuffled", "gold_first", "gold_last"] = "shuffled"
    """Place of the chunk that answers; the others stand as they rank, or all are shuffled."""
    max_characters: int | None = Field(None, ge=1)
    """Longest context: distractors that do not fit are passed over. None: no limit."""
    seed: int = 0
    """Draws order and which chunks are missing."""


def rows(**options: Any) -> Iterator[Row]:
    """Rows of a `rayrl synth` run with retrieved contexts; the questions of a chunk follow each other and share theirs.

    Columns: those of the file, with `context` of labeled chunks ("[A] name, pages 3-4"), and `cited_answer` (the answer
    with the label of the chunk it rests on), `gold_missing`, `retrieved` (ids of the chunks, in order).

    Raises:
        ConfigError: An unknown or wrong option.
        DataError: A file is missing, or a row's chunk is not in `chunks`.
    """
    settings = validated(RagOptions, "options of rayrl.data.rag:rows", options)
    chunks = settings.chunks or settings.file.parent / "chunks.jsonl"
    for field, path in (("file", settings.file), ("chunks", chunks)):
        if not path.is_file():
            raise DataError(f"options.{field}: {str(path)!r} does not exist; `rayrl synth` writes it")
    groups: dict[str, list[Row]] = {}
    for row in read_jsonl(settings.file):
        groups.setdefault(row["provenance"]["chunk"], []).append(row)
    documents = {group[0]["provenance"]["document"] for group in groups.values()}
    known = (Chunk(**record) for record in read_jsonl(chunks))
    pool = [chunk for chunk in known if chunk.document in documents and chunk.duplicate_of is None]
    absent = sorted(set(groups) - {chunk.id for chunk in pool})
    if absent:
        raise DataError(
            f"options.chunks: {str(chunks)!r} lacks {len(absent)} chunks of {settings.file}, as {absent[0]!r}"
        )
    return _rows(groups, Retriever(pool), settings)


def _rows(groups: dict[str, list[Row]], retriever: Retriever, settings: RagOptions) -> Iterator[Row]:
    for name, group in groups.items():
        draw = random.Random(f"{settings.seed}/{name}")
        missing = [row["answerable"] and draw.random() < settings.gold_missing for row in group]
        gold = retriever.by_id[name]
        ranked = retriever.ranked(gold, [row["question"] for row in group])
        unanswerable = [row["question"] for row in group if not row["answerable"]]
        for without in (False, True):
            members = [row for row, left_out in zip(group, missing, strict=True) if left_out == without]
            if not members:
                continue
            candidates = (
                chunk
                for chunk in ranked
                if not any(covers(chunk, question) for question in unanswerable)
                and not (without and any(tells(chunk, row) for row in members))
            )
            shown = _shown(gold, candidates, without, draw, settings)
            labels = {chunk.id: _label(index) for index, chunk in enumerate(shown)}
            context = "\n\n".join(_block(labels[chunk.id], chunk) for chunk in shown)
            for row in members:
                yield _row(row, context, without, labels, name)


def _row(row: Row, context: str, without: bool, labels: dict[str, str], gold: str) -> Row:
    answer = REFUSAL if without else row["answer"]
    answerable = row["answerable"] and not without
    return row | {
        "context": context,
        "answer": answer,
        "answerable": answerable,
        "steps": row["steps"] if answerable else "",
        "cited_answer": f"{answer.removesuffix('.')} (source: {labels[gold]})" if answerable else answer,
        "gold_missing": without,
        "retrieved": list(labels),
    }


def _shown(
    gold: Chunk, ranked: Iterable[Chunk], without: bool, draw: random.Random, settings: RagOptions
) -> list[Chunk]:
    """The chunks of a context, in order."""
    wanted = settings.distractors + without
    room = (settings.max_characters or float("inf")) - (0 if without else len(gold.text))
    taken: list[Chunk] = []
    same = 0
    for chunk in ranked:
        if len(taken) == wanted:
            break
        own = chunk.document == gold.document
        if len(chunk.text) > room or (own and settings.same_document is not None and same >= settings.same_document):
            continue
        taken.append(chunk)
        room -= len(chunk.text)
        same += own
    if settings.order == "shuffled":
        shown = taken if without else [*taken, gold]
        draw.shuffle(shown)
        return shown
    if without:
        return taken
    return [*taken, gold] if settings.order == "gold_last" else [gold, *taken]


def _label(index: int) -> str:
    """A, B, …, Z, AA, AB, …: letters, which no one takes for a figure."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _block(label: str, chunk: Chunk) -> str:
    first, last = chunk.page_start, chunk.page_end
    pages = f"page {first}" if first == last else f"pages {first}-{last}"
    return f"[{label}] {chunk.document}, {pages}\n{chunk.text}"
