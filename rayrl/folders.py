"""Folders that are to be written, tried before anything starts; and that of what is kept between runs."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rayrl.errors import ConfigError


def cache_folder() -> Path:
    """$RAYRL_CACHE, else $XDG_CACHE_HOME/rayrl, else ~/.cache/rayrl."""
    if folder := os.environ.get("RAYRL_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rayrl"


def require_writable(folder: Path, field: str) -> None:
    """Raises ConfigError, which names field and folder, where no file can be made in `folder`.

    Where it is not there yet, the nearest folder above it is tried. The file that tries it has no name and is gone at
    once (O_TMPFILE, where the file system has that): permission bits alone say nothing on read-only or remote disks.
    """
    folder = folder.absolute()
    there = folder
    try:
        while not there.exists():
            there = there.parent
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        what = "cannot be written" if there == folder else f"cannot be made in {str(there)!r}"
        raise ConfigError(
            f"{field}: folder {str(folder)!r} {what} ({error.strerror or error}); name another, or change who may "
            "write there"
        ) from error


LOCK = ".lock"


@contextmanager
def only_one(folder: Path, field: str) -> Iterator[None]:
    """Makes `folder`, and keeps it for this process: none other that asks for it goes on meanwhile.

    The lock is the kernel's, so that it ends with the process, however that ends. Its file stays; `clear` leaves it.

    Raises:
        ConfigError: Another process has it (named, with its machine), or the disk knows no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ConfigError(
                f"{field}: {str(folder)!r} is in use by {holder}; wait until it has ended, or choose another name"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{field}: {str(folder)!r} cannot be locked ({error.strerror or error}); name a folder on another disk"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def clear(folder: Path) -> None:
    """Removes all that is in `folder` but its lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
