"""The training checkpoints of a run: runs/NAME/checkpoints/step_000010."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

from rayrl.drift.adapters import Adapter
from rayrl.errors import ModelError

_PREFIX = "weight/"


def run_checkpoint(folder: Path, shapes: dict[str, tuple[int, ...]]) -> "RunCheckpoint | Adapter":
    """The model that a checkpoint stands for, as the run would export it, on a base with these shapes.

    Raises:
        ModelError: It belongs to another base.
    """
    stored = _Stored(folder)
    names = json.loads((folder / "learner.json").read_text())["trained"]
    if any(".lora_A." in name for name in names):
        settings = _adapter_settings(folder)
        config = {"r": settings["rank"], "lora_alpha": settings["alpha"]}
        tensors = {name: stored.tensor(name) for name in names}
        return Adapter(str(folder), config, tensors, shapes, merged=settings.get("merge", False))
    for name in names:
        if shapes.get(name) != stored.shapes[name]:
            held = shapes.get(name, "no such tensor")
            raise ModelError(f"{folder}: {name!r} is {stored.shapes[name]}, the base has {held}: another base?")
    return RunCheckpoint(stored, shapes)


class RunCheckpoint:
    """The weights that trained; all others are the base's. They are rounded to its dtype, as an export rounds them."""

    def __init__(self, stored: "_Stored", shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self._stored = stored

    def rows_and_change(self, name: str, start: int, end: int, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if name not in self._stored.shapes:
            return base, torch.zeros_like(base, dtype=torch.float32)
        rows = self._stored.tensor(name)[start:end].to(base.device, base.dtype)
        return rows, rows.float() - base.float()


class _Stored:
    """Tensors of a distributed checkpoint, each whole: the latest that was asked for stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensors"
        try:
            metadata = FileSystemReader(self._folder).read_metadata().state_dict_metadata
        except Exception as error:
            raise ModelError(f"{str(folder)!r}: the checkpoint's tensors cannot be read: {error}") from error
        found = {
            name.removeprefix(_PREFIX): value
            for name, value in metadata.items()
            if name.startswith(_PREFIX) and isinstance(value, TensorStorageMetadata)
        }
        self.shapes = {name: tuple(value.size) for name, value in found.items()}
        self._dtypes = {name: value.properties.dtype for name, value in found.items()}
        self._latest: tuple[str, torch.Tensor] | None = None

    def tensor(self, name: str) -> torch.Tensor:
        if self._latest is None or self._latest[0] != name:
            self._latest = None
            whole = torch.empty(self.shapes[name], dtype=self._dtypes[name])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one process: https://github.com/pytorch/pytorch/issues/118554
                load({f"{_PREFIX}{name}": whole}, checkpoint_id=self._folder, no_dist=True)
            self._latest = (name, whole)
        return self._latest[1]


def _adapter_settings(folder: Path) -> dict[str, Any]:
    path = folder.parent.parent / "config.yaml"
    try:
        settings = yaml.safe_load(path.read_text())["adapter"]
        return {"rank": settings["rank"], "alpha": settings["alpha"], "merge": settings.get("merge", False)}
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ModelError(
            f"{str(folder)!r} holds an adapter, whose rank and alpha stand in the run's {str(path)!r}: {error!r}"
        ) from error
