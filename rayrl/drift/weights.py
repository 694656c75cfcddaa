"""Weights on disk, read a block of rows at a time: no more than a block is ever in memory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open

from rayrl.errors import ModelError
from rayrl.learner.freeze import layer_of

BLOCK_ENTRIES = 1 << 22  # 16 MB in float32


class Tuned(Protocol):
    """What is compared with the base."""

    shapes: dict[str, tuple[int, ...]]

    def rows_and_change(self, name: str, start: int, end: int, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(the tuned rows, their difference to the base in float32), given the base's rows `start` to `end`."""
        ...


class SafetensorsFolder:
    """A Hugging Face folder, its safetensors in one file or in shards.

    `shapes` has each tensor of floating-point numbers by name, layer after layer; `not_floating` the other names.

    Raises:
        ModelError: No safetensors in the folder, or files that the index names and that are missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.not_floating: list[str] = []
        self._files: dict[str, Path] = {}
        for path in _files(folder):
            try:
                with safe_open(path, "pt") as file:
                    for name in file.keys():  # noqa: SIM118 - it is no mapping
                        part = file.get_slice(name)
                        if part.get_dtype()[0] not in "FB" or part.get_dtype() == "BOOL":
                            self.not_floating.append(name)
                            continue
                        self.shapes[name] = tuple(part.get_shape())
                        self._files[name] = path
            except SafetensorError as error:
                raise ModelError(f"{str(path)!r} cannot be read ({error}); fetch or export it again") from error
        order = sorted(self.shapes, key=lambda name: (layer_of(name) if layer_of(name) is not None else -1, name))
        self.shapes = {name: self.shapes[name] for name in order}

    def rows(self, name: str, start: int, end: int) -> torch.Tensor:
        """Rows (entries, of a vector) `start` to `end` of a tensor, as they are stored."""
        # Opened each time: what a mapping has read counts as this process's memory until it is closed
        # (https://github.com/safetensors/safetensors/issues/443).
        with safe_open(self._files[name], "pt") as file:
            whole = not self.shapes[name]
            rows: torch.Tensor = file.get_tensor(name).reshape(1) if whole else file.get_slice(name)[start:end]
            return rows

    def rows_and_change(self, name: str, start: int, end: int, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.rows(name, start, end).to(base.device)
        return rows, rows.float() - base.float()


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{str(folder)!r}: {len(missing)} of {len(names)} files are missing, {missing[0]!r} first")
        return [folder / name for name in names]
    single = folder / "model.safetensors"
    if not single.is_file():
        raise ModelError(
            f"{str(folder)!r} has no model.safetensors (nor an index of shards); name a Hugging Face folder in "
            "safetensors format, a PEFT folder, a run directory or one of its checkpoints"
        )
    return [single]


def blocks(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(start, end) of blocks of rows of at most BLOCK_ENTRIES entries; at least one row each."""
    rows = shape[0] if shape else 1
    width = max(1, torch.Size(shape[1:]).numel())
    step = max(1, BLOCK_ENTRIES // width)
    for start in range(0, rows, step):
        yield start, min(start + step, rows)
