"""The folder of a run: made, or found to be resumed."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import ResourceError
from rayrl.files import write_whole
from rayrl.train.folder_kind import RUN

EXAMPLES = "examples.arrow"
TEXTS = "divergence_texts.json"


def open_run_directory(config: TrainingConfig) -> Path:
    """`run.dir`/`run.name`, made or found as `run.resume` and `run.overwrite` say; raises as `FolderKind.require`."""
    folder = RUN.open(config.run)
    write_whole(folder / RUN.marker, dump_config(config))
    return folder


@contextmanager
def draft_folder(config: TrainingConfig) -> Iterator[Path]:
    """A hidden folder on the disk of `run.dir`, for files that may come to be the run's; gone at the end.

    Raises:
        ResourceError: It cannot be made, or the disk is full.
    """
    runs = config.run.dir.resolve()
    there = next(path for path in (runs, *runs.parents) if path.is_dir())
    try:
        with TemporaryDirectory(dir=there, prefix=f".{config.run.name}.") as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise ResourceError(f"run.dir: cannot write in {there}: {error}; name another folder, or make room") from error
