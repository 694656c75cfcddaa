"""Folders that are to be written, tried before anything starts; and that of what is kept between runs."""

import os
import tempfile
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
