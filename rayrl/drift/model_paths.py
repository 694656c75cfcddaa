"""What a path on the command line stands for: a model, an adapter, a run or one of its checkpoints."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rayrl.drift.adapters import peft_adapter
from rayrl.drift.run_checkpoints import run_checkpoint
from rayrl.drift.weights import SafetensorsFolder, Tuned
from rayrl.errors import ModelError
from rayrl.models import model_folder

Kind = Literal["model", "adapter", "checkpoint"]


@dataclass(frozen=True, slots=True)
class ModelPath:
    """A checkpoint as it was named, the folder that was found there, and the step it was written after, if known."""

    path: str
    folder: Path
    kind: Kind
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
        folder = found[-1]
    kind: Kind = "model"
    if (folder / "learner.json").is_file():
        kind = "checkpoint"
    elif (folder / "adapter_config.json").is_file():
        kind = "adapter"
    elif folder == Path(path):
        return ModelPath(path, model_folder(path), kind, None)
    step = re.fullmatch(r"step_(\d+)", folder.name)
    return ModelPath(path, folder, kind, int(step[1]) if step else None)


def open_base(path: str) -> SafetensorsFolder:
    """Raises ModelError where the base is no whole model."""
    found = find_model(path)
    if found.kind != "model":
        raise ModelError(f"BASE: {path!r} is no whole model; name the model that it was trained from")
    return SafetensorsFolder(found.folder)


def open_tuned(found: ModelPath, shapes: dict[str, tuple[int, ...]]) -> Tuned:
    """What was found, on a base with these shapes. Raises ModelError where it does not fit or cannot be read."""
    if found.kind == "checkpoint":
        return run_checkpoint(found.folder, shapes)
    if found.kind == "adapter":
        return peft_adapter(found.folder, shapes)
    return SafetensorsFolder(found.folder)
