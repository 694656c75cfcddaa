"""LoRA beside a frozen base (PEFT, arXiv:2106.09685), which bitsandbytes may hold in 4 bits (QLoRA, arXiv:2305.14314).

Parameters go by the names that the model has without PEFT's wrapping: `….q_proj.weight` of the base, and beside it
`….q_proj.lora_A.weight` and `….q_proj.lora_B.weight`.
"""

import difflib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from rayrl.config import FreezeRule, FreezeSettings, LoRASettings
from rayrl.errors import ConfigError, FreezeError, ModelError
from rayrl.learner.freeze import matches, resolve
from rayrl.learner.model import decoder_layers, tied_names
from rayrl.learner.model_files import gather

_ADAPTER = "default"  # PEFT's name of the only one
_BLOCK = 64  # weights that share a scale in nf4


def parameters(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """All parameters, by their names without PEFT's wrapping."""
    return {
        name.replace(".base_layer.", ".").replace(f".{_ADAPTER}.", "."): parameter
        for name, parameter in model.named_parameters()
    }


def linear_modules(model: PreTrainedModel) -> list[str]:
    """Names of all linear modules but the head: what can get an adapter, and what nf4 quantizes."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    found = model.named_modules()
    return [name for name, module in found if isinstance(module, nn.Linear) and module is not head]


def prepare(model: PreTrainedModel, freeze: FreezeSettings, settings: LoRASettings | None) -> dict[str, bool]:
    """Puts the adapter in (float32, as PEFT initializes it), if there is one, and marks what trains.

    Freeze rules speak of the base's parameters. With an adapter these never train: a module gets an adapter where
    the rules let its weight train.

    Args:
        model: Changed in place. May be on the meta device.
        freeze: What trains.
        settings: None: the weights themselves train.

    Returns:
        Whether each parameter trains, in the model's order, by its name without PEFT's wrapping.

    Raises:
        ConfigError: A target names no linear module.
        FreezeError: As `freeze.resolve`; or a rule wants to train what can have no adapter, or no module is left.
        ModelError: A weight's rows cannot be held in nf4.
    """
    names, layers, tied = list(parameters(model)), len(decoder_layers(model)), tied_names(model)
    trainable = resolve(freeze, names, layers, tied)
    if settings is not None:
        if settings.quantize:
            _require_whole_blocks(model)
        targets = _targets(settings, linear_modules(model))
        for where, rule, matched in matches(freeze, names, layers, tied):
            _require_target(where, rule, matched, targets)
        _inject(model, settings, [module for module in targets if trainable[f"{module}.weight"]])
        trainable = {name: ".lora_" in name for name in parameters(model)}
    for name, parameter in parameters(model).items():
        if trainable[name]:
            parameter.data = parameter.data.float()
        parameter.requires_grad_(trainable[name])
    return trainable


def _require_target(where: str, rule: FreezeRule, matched: list[str], targets: list[str]) -> None:
    if rule.train and not any(f"{module}.weight" in matched for module in targets):
        raise FreezeError(
            f"{where}: match {rule.match!r} is to train {matched[0]!r}, but with an adapter the base's weights stay "
            "frozen, and adapter.targets puts none there; leave the rule out, or train without an adapter"
        )


def _require_whole_blocks(model: PreTrainedModel) -> None:
    """bitsandbytes 0.50.2 unpacks a row that ends within a block wrongly on CPU, without an error.

    No public issue known; its Triton kernels had the like (github.com/bitsandbytes-foundation/bitsandbytes/pull/1884).
    """
    for name in linear_modules(model):
        inputs = cast(nn.Linear, model.get_submodule(name)).in_features
        if inputs % _BLOCK:
            raise ModelError(
                f"adapter.quantize: nf4 needs rows of whole blocks of {_BLOCK} weights, {name!r} has rows of {inputs}; "
                "train this model with adapter.quantize null"
            )


def _targets(settings: LoRASettings, linear: list[str]) -> list[str]:
    """The modules that `adapter.targets` names, in the model's order."""
    if settings.targets == "all-linear":
        return linear
    kinds = sorted({name.rpartition(".")[2] for name in linear})
    found: set[str] = set()
    for target in settings.targets:
        named = [name for name in linear if name == target or name.endswith(f".{target}")]
        if not named:
            close = difflib.get_close_matches(target, kinds, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(
                f"adapter.targets: {target!r} names no linear module below the head; {hint}there are {', '.join(kinds)}"
            )
        found.update(named)
    return [name for name in linear if name in found]


def _inject(model: PreTrainedModel, settings: LoRASettings, modules: list[str]) -> None:
    if not modules:
        raise FreezeError("freeze: the rules freeze every module that adapter.targets names: nothing would train")
    from peft import LoraConfig, inject_adapter_in_model  # seconds to import, and needed by few runs

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=modules,
        task_type="CAUSAL_LM",
    )
    inject_adapter_in_model(config, model, adapter_name=_ADAPTER)


def adapter_config(model: PreTrainedModel, source: str) -> dict[str, Any]:
    """Contents of adapter_config.json for the adapter in `model`, whose base is at `source`."""
    config: Any = model.peft_config[_ADAPTER]
    values = config.to_dict() | {"base_model_name_or_path": source, "inference_mode": True}
    plain: dict[str, Any] = json.loads(json.dumps(values, default=sorted))  # PEFT keeps the modules as a set
    return plain


def nf4(settings: LoRASettings | None, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    """How transformers quantizes the base while it loads; None: not at all.

    Two codes are a byte (uint8), which FSDP2 gathers as it is. Stored as floats, codes that look like NaN are rewritten
    on CUDA: bitsandbytes-foundation/bitsandbytes#1945.
    """
    if settings is None or settings.quantize is None:
        return None
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=settings.double_quantization,
        bnb_4bit_compute_dtype=dtype,
    )


def nf4_scale_bytes(size: int, double_quantization: bool) -> int:
    """Bytes beside the half byte of each of `size` elements: a float32 for each block of 64.

    Doubly quantized one byte a block, and a float32 for each 256 blocks.
    """
    blocks = -(-size // _BLOCK)
    return blocks + 4 * -(-blocks // 256) if double_quantization else 4 * blocks


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """The adapter's dropout is off within."""
    active = [part for part in module.modules() if isinstance(part, nn.Dropout) and part.training]
    for part in active:
        part.eval()
    try:
        yield
    finally:
        for part in active:
            part.train()


def rounded_base(model: PreTrainedModel, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights that are held in 4 bits, as they are multiplied: rounded, each whole, on the device. A collective."""
    for name, module in model.named_modules():
        state = getattr(module, "quant_state", None)
        if state is not None:
            from bitsandbytes.functional import dequantize_4bit

            codes = gather(module.weight, module.weight.dtype)
            yield f"{name.removesuffix('.base_layer')}.weight", dequantize_4bit(codes, state).to(dtype)
