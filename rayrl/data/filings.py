"""Filings of a folder, by name: their text, and BM25 stores over them. What was read and indexed stays in the cache.

Every file there is named by the contents that it was made of, and put in place whole: a changed document or setting
makes another, and processes that make the same one do not disturb each other. It may be removed at any time.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from rich.console import Console

from rayrl.config import Settings
from rayrl.data.retrieval import Retriever
from rayrl.errors import DataError
from rayrl.files import folder_made_once, write_whole
from rayrl.folders import cache_folder, require_writable
from rayrl.jsonl import Record, encode_line
from rayrl.progress import progress_bars
from rayrl.synth.chunks import Chunk, characters, cut
from rayrl.synth.documents.files import SUFFIXES, Document, Reading, read_all
from rayrl.synth.settings import SynthDocuments

STORE = 1
"""Counts up where the same documents and settings give another store."""


class StoreSettings(Settings):
    unit: Literal["chunks", "pages"] = "chunks"
    """What retrieval finds."""
    chunk_characters: int = Field(1024, ge=50)
    """Longest chunk."""
    chunk_overlap: int = Field(30, ge=0)
    """Most that a chunk repeats of the one before it, in whole lines, in characters."""

    @model_validator(mode="after")
    def fitting(self) -> Self:
        if self.chunk_overlap > self.chunk_characters // 2:
            raise ValueError(
                f"chunk_overlap ({self.chunk_overlap}) must be at most half of chunk_characters "
                f"({self.chunk_characters})"
            )
        return self


class Filings:
    """The documents of a folder, which is searched in depth. A document's name is its file's, without suffix.

    Raises:
        DataError: The folder holds no document, or two of one name.
    """

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, Path] = {}
        known = (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file())
        for file in known:
            if (other := self.files.setdefault(file.stem, file)) != file:
                raise DataError(f"options.documents: {str(other)!r} and {str(file)!r} have one name; remove one")
        if not self.files:
            raise DataError(f"options.documents: folder {str(folder)!r} holds no {', '.join(SUFFIXES)} file")
        self._read: dict[str, tuple[str, Document]] = {}
        self._stores: dict[Path, Retriever] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.files

    @cached_property
    def _cache(self) -> Path:
        folder = cache_folder()
        require_writable(folder, "RAYRL_CACHE")
        return folder

    def read(self, names: Iterable[str]) -> list[Document]:
        """Documents, in order.

        Raises:
            DataError: One cannot be read.
        """
        wanted = list(names)
        kept = _Pages(self._cache / "documents")
        new = {name: self.files[name] for name in wanted if name not in self._read}
        for found in _shown(read_all(new, SynthDocuments(), kept), len(self._read), len(self.files)) if new else ():
            if found.problem is not None:
                file = self.files[found.name]
                raise DataError(f"options.documents: {str(file)!r} cannot be read: {found.problem}; mend or remove it")
            self._read[found.name] = found.key, Document.of(found.name, kept[found.key]["pages"])
        return [self._read[name][1] for name in wanted]

    def has_page(self, name: str, page: int) -> bool:
        """Whether it is a PDF with that page, from 0: in other forms pages are not the PDF's."""
        is_pdf = name in self and self.files[name].suffix.lower() == ".pdf"
        return is_pdf and page < len(self.read([name])[0].starts)

    def store(self, names: Iterable[str], settings: StoreSettings) -> Retriever:
        """BM25 over chunks or pages of some documents; found in the cache, or made.

        Raises:
            DataError: A document cannot be read.
        """
        documents = self.read(names)
        contents = [(one.name, self._read[one.name][0]) for one in documents]
        how = settings.model_dump(include=set(StoreSettings.model_fields))
        made_of = [STORE, version("bm25s"), how, contents]
        folder = self._cache / "stores" / sha256(json.dumps(made_of).encode()).hexdigest()[:32]
        if not folder.is_dir():
            pool = [chunk for document in documents for chunk in _pieces(document, settings)]
            with folder_made_once(folder) as made:
                Retriever(pool).save(made)
        if folder not in self._stores:
            self._stores[folder] = Retriever.load(folder)
        return self._stores[folder]


def pages_of(chunk: Chunk) -> list[tuple[str, int]]:
    """(document, page) of all its pages, which count from 0."""
    return [(chunk.document, page - 1) for page in range(chunk.page_start, chunk.page_end + 1)]


def _pieces(document: Document, settings: StoreSettings) -> Iterable[Chunk]:
    if settings.unit == "chunks":
        yield from cut(document, settings.chunk_characters, settings.chunk_overlap, characters)
        return
    for number, (start, end) in enumerate(document.page_spans, 1):
        if text := document.text[start:end].strip():
            yield Chunk(f"{document.name}#{number}", document.name, text, number, number, start, end)


def _shown(readings: Iterable[Reading], before: int, total: int) -> Iterator[Reading]:
    """With a bar of the folder's documents, `before` of which are read: the first time takes seconds for each."""
    with progress_bars(Console(stderr=True), transient=True) as bars:
        task = bars.add_task("reading filings", total=total, completed=before)
        for one in readings:
            yield one
            bars.advance(task)


class _Pages:
    """Pages of documents, a file for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, key: str) -> Path:
        return self._folder / f"{key.replace(' ', '-')}.json"

    def __contains__(self, key: str) -> bool:
        return self._file(key).is_file()

    def __getitem__(self, key: str) -> Record:
        record: Record = json.loads(self._file(key).read_text(encoding="utf-8"))
        return record

    def append(self, record: Record) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._file(record["key"]), encode_line(record).decode())
