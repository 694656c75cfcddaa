"""Whole models to be run, from whatever a checkpoint is kept as."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedModel

from rayrl.config import ModelSettings
from rayrl.drift.model_paths import ModelPath
from rayrl.drift.run_checkpoints import run_checkpoint
from rayrl.errors import ModelError
from rayrl.learner.model import PolicyModule, load_model


def load_base(folder: Path, device: torch.device) -> PolicyModule:
    """A model, in the dtype it is stored in. Raises ModelError where it cannot be loaded."""
    return _policy(load_model(str(folder)), device)


def load_tuned(base: Path, tuned: ModelPath, device: torch.device) -> PolicyModule:
    """The tuned model: a folder of its own, the base with an adapter beside it, or with the weights of a checkpoint.

    Raises:
        ModelError: It cannot be loaded, is of another base, or is the training checkpoint of an adapter.
    """
    if tuned.kind == "adapter":
        model = load_model(str(base))
        try:
            model.load_adapter(str(tuned.folder))
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{tuned.path!r}: the adapter does not go onto the base: {error}") from error
        return _policy(model, device)
    if tuned.kind == "checkpoint":
        model = load_model(str(base))
        _copy_weights(model, tuned)
        return _policy(model, device)
    return _policy(load_model(str(tuned.folder)), device)


def _copy_weights(model: PreTrainedModel, tuned: ModelPath) -> None:
    if any(".lora_A." in name for name in json.loads((tuned.folder / "learner.json").read_text())["trained"]):
        raise ModelError(f"{tuned.path!r} is the training checkpoint of an adapter; name the run's model/ folder")
    parameters = dict(model.named_parameters())
    stored = run_checkpoint(tuned.folder, {name: tuple(value.shape) for name, value in parameters.items()})
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(stored.rows_and_change(name, 0, len(parameter), parameter)[0])


def _policy(model: PreTrainedModel, device: torch.device) -> PolicyModule:
    return PolicyModule(model.to(device), ModelSettings(path=""))  # type: ignore[arg-type]
