"""Files -> text with page numbers. A file that cannot be read is a problem with a reason, never silently skipped."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Protocol

from rayrl.errors import DataError
from rayrl.jsonl import Record
from rayrl.synth.documents.encoding import decode
from rayrl.synth.documents.html import is_html, read_html
from rayrl.synth.documents.pdf import read_pdf
from rayrl.synth.documents.running_heads import strip_running_heads
from rayrl.synth.documents.submissions import is_submission, read_plain_text, read_submission, strip_uuencoded
from rayrl.synth.documents.superscripts import resolve_superscripts
from rayrl.synth.settings import SynthDocuments

HTML = (".html", ".htm")
SUFFIXES = (".pdf", *HTML, ".txt", ".md")
READER = 2
"""Counts up where the same file gives other text; what an older one has read is then read again."""
PAGE_BREAK = "\n\n"
"""Between two pages in a document's text."""


@dataclass(frozen=True, slots=True)
class Document:
    """Text of one file. name: unique in a run. starts: where each page begins in `text`, in characters."""

    name: str
    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, name: str, pages: list[str]) -> "Document":
        starts, at = [], 0
        for page in pages:
            starts.append(at)
            at += len(page) + len(PAGE_BREAK)
        return cls(name, PAGE_BREAK.join(pages), tuple(starts))

    @property
    def page_spans(self) -> list[tuple[int, int]]:
        """(start, end) of each page in `text`."""
        ends = [start - len(PAGE_BREAK) for start in self.starts[1:]] + [len(self.text)]
        return list(zip(self.starts, ends, strict=True))


def find_files(paths: list[str]) -> dict[str, Path]:
    """Name -> file, in the order of names. Folders are searched in depth for files of `SUFFIXES`.

    Raises:
        DataError: A path that matches nothing, or a file of an unknown kind that is named itself.
    """
    found: dict[Path, str] = {}
    for path in paths:
        base = Path(path)
        if base.is_dir():
            inside = sorted(file for file in base.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not inside:
                raise DataError(f"documents.paths: folder {path!r} holds no {', '.join(SUFFIXES)} file")
            found |= {file.resolve(): file.relative_to(base).as_posix() for file in inside}
            continue
        matches = [base] if base.is_file() else map(Path, sorted(glob(path, recursive=True)))
        files = [file for file in matches if file.is_file()]
        if not files:
            raise DataError(f"documents.paths: {path!r} is no file or folder, and as a pattern matches none")
        unknown = [file for file in files if file.suffix.lower() not in SUFFIXES]
        if unknown:
            raise DataError(
                f"documents.paths: {str(unknown[0])!r} is none of {', '.join(SUFFIXES)}; convert it, or narrow {path!r}"
            )
        found |= {file.resolve(): file.name for file in files}
    names = list(found.values())
    shared = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    return dict(sorted((file.as_posix() if name in shared else name, file) for file, name in found.items()))


@dataclass(frozen=True, slots=True)
class Pages:
    """Text of each page of a file; HTML and text without page breaks are one page. left_out: what -> how many."""

    texts: list[str]
    left_out: Counter[str]


def read_file(file: Path, settings: SynthDocuments) -> Pages:
    """A file by what it holds: a PDF, an HTML page or a submission of EDGAR under any name, else text.

    Raises:
        DataError: Why it cannot be read.
    """
    suffix = file.suffix.lower()
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror}") from error
    left_out = Counter[str]()
    pdf = suffix == ".pdf" or raw.startswith(b"%PDF-")
    if pdf:
        pages = read_pdf(file, settings.deadline_s)
    else:
        page = suffix in HTML or raw.lstrip()[:1] == b"<"
        pages = _pages(decode(raw, settings.encoding, page), suffix, left_out)
    if suffix != ".md":
        bare, lines = strip_running_heads(pages)
        left_out["line of page furniture"] += lines
        pages = [page for page, before in zip(bare, pages, strict=True) if page or pdf or not before]
    if not any(pages):
        raise DataError("holds no text")
    return Pages(pages, +left_out)


def _pages(source: str, suffix: str, left_out: Counter[str]) -> list[str]:
    if is_submission(source):
        submission = read_submission(source)
        left_out += submission.left_out
        source, suffix = submission.main, ".txt"
        if not is_html(source, suffix):
            source = read_plain_text(source)
    if suffix in HTML or is_html(source, suffix):
        return read_html(source)
    if "\0" in source:
        raise DataError("holds binary data, no text")
    source, coded = strip_uuencoded(source)
    left_out["uuencoded part"] += coded
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    return [resolve_superscripts(page.strip("\n")) for page in lines.split("\f")]


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that was tried. key: of its pages among what is kept. problem: why it has none."""

    name: str
    key: str
    problem: str | None = None


class Kept(Protocol):
    """What was read, by keys of the files' contents; each record has its `key`, `name`, `pages` and `left_out`."""

    def __contains__(self, key: str, /) -> bool: ...

    def append(self, record: Record, /) -> None: ...


def read_all(files: dict[str, Path], settings: SynthDocuments, kept: Kept) -> Iterator[Reading]:
    """Reads files, several at once, into `kept`; what it holds already (the same content) is not read again."""

    def read(name: str) -> tuple[Reading, Pages | None]:
        file, key = files[name], ""
        try:
            key = f"{_digest(file)}{file.suffix.lower()}{settings.encoding} {READER}"
            return Reading(name, key), None if key in kept else read_file(file, settings)
        except OSError as error:
            return Reading(name, key, f"cannot be opened: {error.strerror}"), None
        except DataError as error:
            return Reading(name, key, str(error)), None

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done, pages in pool.map(read, files):
            if pages is not None:
                texts = {"pages": pages.texts, "left_out": dict(pages.left_out)}
                kept.append({"key": done.key, "name": done.name, **texts})
            yield done


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
