"""Whole files: written to a draft beside, put in place in one move, so that no reader ever sees half of one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to. At the end the draft takes the place of `path`; after an error it is removed.

    Two processes that write the same file have drafts of their own: the last to end wins.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def folder_made_once(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which is `folder` at the end; where another process made that meanwhile, it stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield made
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put_in_place(draft: Path, path: Path) -> None:
    """Gives a complete `draft`, in the same folder, the name `path`, once its contents are on the disk."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file in UTF-8. A lone surrogate becomes `\\udXXX`, which is its escape in JSON too."""
    with draft_of(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
