"""A measurement in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayrl.processor import openmp

LONGEST_S = 7200.0


def run(command: Sequence[str]) -> str:
    """What it prints, with this folder on its path and the OpenMP that runs compute by, whoever is measured.

    Raises:
        RuntimeError: It failed; with the end of its stderr.
    """
    path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    environment = os.environ | openmp() | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=LONGEST_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def last_line(module: str, *arguments: str) -> Any:
    """Of `python -m module arguments`, as JSON."""
    return json.loads(run([sys.executable, "-m", module, *arguments]).strip().splitlines()[-1])
