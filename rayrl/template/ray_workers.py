"""Ray's workers as forks of the template. Ray has no setting for how they are started: this is its own parameter."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray._private.parameter import RayParams

from rayrl.template.client import ADDRESS

START_WORKER = Path(__file__).with_name("start_worker.py")


@contextmanager
def forked_workers() -> Iterator[None]:
    """Workers of a Ray that is started within are forked from the template, where there is one."""
    before = RayParams.__init__

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        before(self, *args, **kwargs)
        if ADDRESS in os.environ:
            self.setup_worker_path = str(START_WORKER)

    RayParams.__init__ = made
    try:
        yield
    finally:
        RayParams.__init__ = before
