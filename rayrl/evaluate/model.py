"""The models that are evaluated: where their files are, and a fingerprint of all that decides what they answer."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from rayrl.drift.model_paths import find_model, open_tuned
from rayrl.drift.weights import SafetensorsFolder
from rayrl.errors import ModelError
from rayrl.models import model_folder

DECIDING = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt")
"""Suffixes of the files of a model folder that decide what it answers: weights, settings, tokenizer."""


@dataclass(frozen=True)
class EvaluatedModel:
    """A model by the name that it has in results. adapter: a PEFT folder beside it, which `folder` is the base of."""

    label: str
    folder: Path
    adapter: Path | None
    notes: tuple[str, ...] = ()

    @property
    def tokenizer(self) -> Path:
        """The folder of its tokenizer and chat template."""
        own = self.adapter is not None and (self.adapter / "tokenizer_config.json").is_file()
        return self.adapter if own and self.adapter else self.folder

    @cached_property
    def adapter_config(self) -> dict[str, Any] | None:
        """Contents of adapter_config.json."""
        return _adapter_config(self.adapter) if self.adapter else None

    @cached_property
    def fingerprint(self) -> str:
        """Of the contents of all files that decide what it answers, wherever they are."""
        digest = hashlib.blake2b(digest_size=16)
        for folder in filter(None, (self.folder, self.adapter)):
            for file in sorted(path for path in folder.iterdir() if path.suffix in DECIDING):
                digest.update(file.name.encode() + b"\0")
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "blake2b").digest())
        return digest.hexdigest()

    def adapter_tensors(self) -> Iterable[tuple[str, Any]]:
        """(name, torch tensor) of the adapter, as generators take them."""
        from safetensors.torch import load_file

        assert self.adapter is not None
        tensors = load_file(self.adapter / "adapter_model.safetensors")
        return [(name.removeprefix("base_model.model."), tensor) for name, tensor in tensors.items()]


def find_models(paths: Iterable[str]) -> list[EvaluatedModel]:
    """The models of these paths, each with a label of its own.

    Raises:
        ModelError: There is no such model, it was not exported, or it is an adapter that does not fit its base.
    """
    named = list(paths)
    return [evaluated_model(path, label) for path, label in zip(named, labels_of(named), strict=True)]


def labels_of(paths: Iterable[str]) -> list[str]:
    """A label for each path, no two alike."""
    labels: list[str] = []
    for path in paths:
        labels.append(_label(path, labels))
    return labels


def evaluated_model(path: str, label: str) -> EvaluatedModel:
    """Raises as `find_models`."""
    named = find_model(path)
    if named.kind == "checkpoint":
        raise ModelError(
            f"{path!r} is a checkpoint to resume from, not a model that generators can load; name a finished run, "
            "whose model/ is one, or a model folder"
        )
    if named.kind == "model":
        return EvaluatedModel(label, named.folder, None)
    base = str(_adapter_config(named.folder).get("base_model_name_or_path"))
    try:
        folder = model_folder(base)
    except ModelError as error:
        raise ModelError(f"{path!r}: its base ({base!r}, from adapter_config.json) is not there: {error}") from error
    open_tuned(named, SafetensorsFolder(folder).shapes)
    return EvaluatedModel(label, folder, named.folder, _rounding(named.folder))


def _rounding(adapter: Path) -> tuple[str, ...]:
    """What to say where the run of an adapter held its base in 4 bits."""
    config = adapter.parent / "config.yaml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if ((settings or {}).get("adapter") or {}).get("quantize") is None:
        return ()
    return ("the adapter was trained on its base in 4 bits, and is evaluated on the base's own weights",)


def _adapter_config(folder: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{folder / 'adapter_config.json'}: not JSON ({error})") from error
    return read


def _label(path: str, taken: list[str]) -> str:
    """The end of the path that says what it is and is not taken, fit for a file's name."""
    parts = [part for part in Path(path).parts if part not in ("/", ".", "..")] or [path]
    start = -2 if len(parts) > 1 and re.fullmatch(r"model|step_\d+", parts[-1]) else -1
    label = re.sub(r"[^\w.-]+", "_", "_".join(parts[start:]))
    number = next(number for number in range(1, len(taken) + 2) if _numbered(label, number) not in taken)
    return _numbered(label, number)


def _numbered(label: str, number: int) -> str:
    return label if number == 1 else f"{label}-{number}"
