"""A model's weights from its files into a model on the meta device: each rank reads its own slices alone.

So a rank never holds more than its shard and, of what is rounded to 4 bits, one decoder layer.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from rayrl.learner.adapter import parameters
from rayrl.learner.freeze import layer_of
from rayrl.learner.model import load_model, stored_buffers
from rayrl.learner.model_files import other_layout, read_tensors
from rayrl.models import model_folder

Read = Callable[[Mapping[str, torch.Tensor]], None]
"""Fills tensors, sharded or not, by their names in the model."""


def materialize(model: PreTrainedModel, path: str, device: torch.device, quantization: Any = None) -> None:
    """Gives a model on the meta device, sharded or not, its weights, and an adapter in it PEFT's first values.

    Args:
        model: Changed in place; its parameters stay the same objects.
        path: Folder or hub name.
        device: Where the weights go.
        quantization: As `meta_model` was given it.

    Raises:
        ModelError: The weights cannot be read.
    """
    for parameter in set(model.parameters()):
        torch.utils.swap_tensors(parameter, _empty(parameter, device))  # type: ignore[no-untyped-call]
    for module in model.modules():
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.to(device)
    wanted = {name: value.detach() for name, value in parameters(model).items()} | stored_buffers(model)
    packed = {
        f"{name.removesuffix('.base_layer')}.weight": module
        for name, module in model.named_modules()
        if hasattr(module, "quant_state")
    }
    shapes = {name: value.shape for name, value in wanted.items() if ".lora_" not in name}
    shapes |= {name: torch.Size((module.out_features, module.in_features)) for name, module in packed.items()}
    read = _reader(path, model, shapes, quantization)
    read({name: wanted[name] for name in shapes if name not in packed})
    for _, names in groupby(packed, layer_of):
        whole = {name: torch.empty(shapes[name], dtype=packed[name].compute_dtype) for name in names}
        read(whole)
        for name, weight in whole.items():
            _quantize(packed[name], weight.to(device), quantization)
    _start_adapter(wanted)


def _empty(parameter: torch.Tensor, device: torch.device) -> torch.Tensor:
    """As `parameter`, on the device, with any values."""
    if isinstance(parameter, DTensor):
        local = torch.empty_like(parameter.to_local(), device=device)
        place = (parameter.device_mesh, parameter.placements)
        whole = DTensor.from_local(local, *place, run_check=False, shape=parameter.shape, stride=parameter.stride())
        return nn.Parameter(whole, parameter.requires_grad)
    new = torch.Tensor._make_subclass(type(parameter), torch.empty_like(parameter.data, device=device))
    new.__dict__.update(parameter.__dict__)
    return new.requires_grad_(parameter.requires_grad)


def _fill(target: torch.Tensor, whole: torch.Tensor) -> None:
    """Writes this rank's part of `whole`."""
    if isinstance(target, DTensor):
        whole = distribute_tensor(
            whole.to(target.device), target.device_mesh, target.placements, src_data_rank=None
        ).to_local()
        target = target.to_local()
    target.copy_(whole)


def _reader(path: str, model: PreTrainedModel, shapes: Mapping[str, torch.Size], quantization: Any) -> Read:
    """Reads slices where the files hold the model's tensors as they are, else lets transformers read all of them."""
    folder = model_folder(path)  # once: of a hub name it asks the hub
    other = other_layout(folder, shapes)
    if getattr(model.config, "quantization_config", None) not in (None, quantization):
        other = "quantization_config"
    if other is None:
        return partial(read_tensors, folder)
    warnings.warn(
        f"model.path: the files of {path!r} hold {other!r} in another layout than the model; each rank reads the whole "
        "model first, which takes memory",
        stacklevel=3,
    )
    whole = load_model(path, model.dtype).state_dict()

    def copy(tensors: Mapping[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            _fill(tensor, whole[name])

    return copy


def _quantize(module: Any, whole: torch.Tensor, quantization: Any) -> None:
    """Rounds a linear module's weight to 4 bits, and keeps this rank's codes and all scales."""
    from bitsandbytes.functional import quantize_4bit

    codes, module.quant_state = quantize_4bit(
        whole,
        compress_statistics=quantization.bnb_4bit_use_double_quant,
        quant_type=quantization.bnb_4bit_quant_type,
        quant_storage=quantization.bnb_4bit_quant_storage,
    )
    _fill(module.weight.detach(), codes)
    module.weight.quant_state = module.quant_state


def _start_adapter(parameters: Mapping[str, torch.Tensor]) -> None:
    """A as PEFT's layers begin, the same on any number of ranks; B at 0 (`LoraLayer.reset_lora_parameters`)."""
    for name, parameter in parameters.items():
        if ".lora_" in name:
            whole = torch.zeros(parameter.shape)
            if ".lora_A." in name:
                nn.init.kaiming_uniform_(whole, a=math.sqrt(5))
            _fill(parameter, whole)
