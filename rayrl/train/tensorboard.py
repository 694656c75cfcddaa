"""Metrics as TensorBoard reads them."""

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

FLUSH_S = 10  # its thread writes at least as often


class TensorBoard:
    """Event files in a folder of their own.

    What a run before this one wrote of the step that comes first here, and of later ones, is hidden: a run that resumes
    makes them anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._events: SummaryWriter | None = None

    def log(self, values: Mapping[str, float], step: int) -> None:
        if self._events is None:
            unique = f".{time.time_ns()}"  # its own name has seconds: a file of the same second would be overwritten
            self._events = SummaryWriter(str(self.folder), purge_step=step, flush_secs=FLUSH_S, filename_suffix=unique)
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
