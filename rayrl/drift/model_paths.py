"""What a path on the command line stands for: a model, an adapter, a run or one of its checkpoints."""

import re
from dataclasses import dataclass
from pathlib import Path

from rayrl.drift.adapters import peft_adapter
from rayrl.drift.run_checkpoints import is_run_checkpoint, run_checkpoint
from rayrl.drift.weights import SafetensorsFolder, Tuned
from rayrl.errors import ModelError
from rayrl.models import model_folder


@dataclass(frozen=True, slots=True)
class ModelPath:
    """A checkpoint as it was named, the folder that was found there, and the step it was written after, if known."""

    path: str
    folder: Path
    step: int | None


def find_model(path: str) -> ModelPath:
    """Finds the folder: a run directory stands for its exported model, else for its newest checkpoint.

    Raises:
        ModelError: There is nothing of that kind.
    """
    folder = Path(path)
    if (folder / "config.yaml").is_file() and not (folder / "config.json").is_file():
        exported = folder / "model"
        found = [exported] if exported.is_dir() else sorted((folder / "checkpoints").glob("step_*[0-9]"))
        if not found:
            raise ModelError(f"{path!r} is a run without a model or a checkpoint yet")
        return ModelPath(path, found[-1], _step(found[-1]))
    if is_run_checkpoint(folder) or (folder / "adapter_config.json").is_file():
        return ModelPath(path, folder, _step(folder))
    return ModelPath(path, model_folder(path), None)


def open_base(path: str) -> SafetensorsFolder:
    """Raises ModelError where the base is no whole model."""
    found = find_model(path)
    if (found.folder / "adapter_config.json").is_file() or is_run_checkpoint(found.folder):
        raise ModelError(f"BASE: {path!r} is no whole model; name the model that it was trained from")
    return SafetensorsFolder(found.folder)


def open_tuned(folder: Path, shapes: dict[str, tuple[int, ...]]) -> Tuned:
    """What is at `folder`, on a base with these shapes. Raises ModelError where it does not fit or cannot be read."""
    if is_run_checkpoint(folder):
        return run_checkpoint(folder, shapes)
    if (folder / "adapter_config.json").is_file():
        return peft_adapter(folder, shapes)
    return SafetensorsFolder(folder)


def _step(folder: Path) -> int | None:
    found = re.fullmatch(r"step_(\d+)", folder.name)
    return int(found[1]) if found else None
