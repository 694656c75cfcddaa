"""`rayrl drift`: how far each matrix of one or several checkpoints has moved from the base."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import TaskProgressColumn

from rayrl.commands.output import open_output
from rayrl.drift.checkpoint_rows import Pairing, measure_checkpoint, pair_tensors
from rayrl.drift.model_paths import find_model, open_base, open_tuned
from rayrl.drift.spectrum import Spectra
from rayrl.drift.tables import kind_table, layer_table
from rayrl.drift.weights import SafetensorsFolder, Tuned
from rayrl.progress import progress_bars


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """What `rayrl drift` was asked for. directions 0: nothing that needs singular values."""

    base: str
    checkpoints: list[str]
    output: Path | None
    overwrite: bool
    directions: int
    device: torch.device


def run_drift(asked: DriftOptions) -> int:
    """Measures every checkpoint, prints tables and writes the rows. All inputs are opened before any is measured.

    Raises:
        ConfigError: The output exists and `overwrite` is off.
        ModelError: A path that is no model, or does not fit the base.
    """
    output = open_output(asked.output, asked.overwrite)
    base = open_base(asked.base)
    named = [find_model(path) for path in asked.checkpoints]
    found = [(name, open_tuned(name, base.shapes)) for name in named]
    pairings = [pair_tensors(base, tuned) for _, tuned in found]
    spectra = Spectra(asked.directions, asked.device) if asked.directions else None
    console = Console(width=160)
    with output as write, progress_bars(Console(stderr=True), TaskProgressColumn()) as progress:
        for (name, tuned), pairing in zip(found, pairings, strict=True):
            total = sum(torch.Size(base.shapes[tensor]).numel() for tensor in pairing.names)
            task = progress.add_task(name.path, total=total)
            advance = partial(progress.advance, task)
            rows = []
            for row in measure_checkpoint(base, tuned, pairing.names, name.path, name.step, spectra, advance):
                rows.append(row)
                write(row)
            _show(console, name.path, rows, pairing, base, tuned)
    return 0


def _show(
    console: Console, path: str, rows: list[dict[str, Any]], pairing: Pairing, base: SafetensorsFolder, tuned: Tuned
) -> None:
    console.print(f"\n{path}: {len(rows)} tensors compared", markup=False, highlight=False)
    left_out = pairing.unmatched | {
        "of whole numbers in the base": base.not_floating,
        "of whole numbers in the checkpoint": getattr(tuned, "not_floating", []),
    }
    for why, names in left_out.items():
        if names:
            listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            console.print(f"not compared: {len(names)} {why} ({listed})", markup=False, highlight=False)
    matrices = {name for name, shape in base.shapes.items() if len(shape) == 2}
    console.print(layer_table([row for row in rows if row["name"] in matrices]))
    console.print(kind_table(rows))
