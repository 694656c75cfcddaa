"""Folders in shared memory (/dev/shm), for what processes of one machine hand each other as files."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "rayrl-weights-"


@contextmanager
def shared_folder(base: Path = SHARED_MEMORY) -> Iterator[Path]:
    """A new one, removed afterwards; where there is no shared memory, among the temporary files.

    A process that is killed leaves its own behind, and so the memory of a whole model. Each is locked by its process as
    long as that lives: what is found unlocked is removed first.
    """
    within = base if base.is_dir() else Path(tempfile.gettempdir())
    for left in within.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is in use, another user's, or has gone meanwhile
            descriptor = _lock(left, fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)
    folder, descriptor = _create(within)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _create(within: Path) -> tuple[Path, int]:
    """A folder, and the descriptor that holds its lock. Another process may remove one before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=within, prefix=PREFIX))
        with suppress(FileNotFoundError):
            descriptor = _lock(folder)
            if folder.is_dir():
                return folder, descriptor
            os.close(descriptor)


def _lock(folder: Path, flag: int = 0) -> int:
    """The descriptor that holds it. Raises OSError where there is none to be had."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flag)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
