"""A LoRA adapter as the change that it makes to its base: scale x B A, made a block of rows at a time."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from rayrl.errors import ModelError

_PLAIN = {"use_dora": False, "fan_in_fan_out": False, "lora_bias": False, "bias": "none"}


class Adapter:
    """The base with an adapter on it.

    Args:
        where: Folder, for messages.
        config: Contents of adapter_config.json.
        tensors: By the names of the modules they sit beside: `….q_proj.lora_A.weight` [rank, inputs] and
            `….q_proj.lora_B.weight` [outputs, rank]; and whole tensors that take a base tensor's place.
        shapes: Of the base.
        merged: The sum is rounded to the base's dtype, as an export with `adapter.merge` rounds it.

    Raises:
        ModelError: It is not plain LoRA, or was made for another base.
    """

    def __init__(
        self,
        where: str,
        config: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        shapes: Mapping[str, tuple[int, ...]],
        merged: bool = False,
    ) -> None:
        _require_plain(where, config)
        self.shapes = dict(shapes)
        self._merged = merged
        self._pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._whole: dict[str, torch.Tensor] = {}
        for name, tensor in tensors.items():
            if name.endswith(".lora_B.weight"):
                continue
            module, found, _ = name.partition(".lora_A.weight")
            weight = f"{module}.weight" if found else name
            if found:
                first, second = tensor.float(), tensors[f"{module}.lora_B.weight"].float()
                self._pairs[weight] = (_scale(config, module) * second, first)
                shape: tuple[int, ...] = (len(second), first.shape[1])
            else:
                self._whole[weight], shape = tensor, tuple(tensor.shape)
            if shapes.get(weight) != shape:
                held = shapes.get(weight, "no such tensor")
                raise ModelError(f"{where}: {name!r} changes a {shape} {weight!r}, the base has {held}: another base?")

    def rows_and_change(self, name: str, start: int, end: int, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if name in self._whole:
            rows = self._whole[name][start:end].to(base.device)
            return rows, rows.float() - base.float()
        if name not in self._pairs:
            return base, torch.zeros_like(base, dtype=torch.float32)
        second, first = self._pairs[name]
        change = second[start:end].to(base.device) @ first.to(base.device)
        tuned = base.float() + change
        if self._merged:
            tuned = tuned.to(base.dtype)
            change = tuned.float() - base.float()
        return tuned, change


def peft_adapter(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Adapter:
    """The adapter of a PEFT folder on a base with these shapes. Raises as `Adapter` does."""
    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        raise ModelError(f"{str(folder)!r} has adapter_config.json but no adapter_model.safetensors")
    tensors = {name.removeprefix("base_model.model."): tensor for name, tensor in load_file(path).items()}
    return Adapter(str(folder), json.loads((folder / "adapter_config.json").read_text()), tensors, shapes)


def _require_plain(where: str, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type", "LORA")
    other = {name: config[name] for name, plain in _PLAIN.items() if config.get(name, plain) != plain}
    if kind != "LORA" or other:
        what = f"peft_type {kind!r}" if kind != "LORA" else str(other)
        raise ModelError(f"{where}: an adapter with {what} is not known here; merge it into its base and name that")


def _scale(config: Mapping[str, Any], module: str) -> float:
    rank = _of_pattern(config.get("rank_pattern"), module, config["r"])
    alpha = _of_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    return float(alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _of_pattern(patterns: Mapping[str, float] | None, module: str, default: float) -> float:
    """PEFT's own rule: a key is a regular expression for the end of a module's name."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default
