"""A base that the learner rounded to 4 bits, as a recipe instead of bytes: a 70B base is 140 GB in bfloat16.

Rounding is bitsandbytes' on either side, and gives the same on the same kind of device. On CPU its mean over the scales
of a large matrix depends on the number of threads, in the last bit.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rayrl.errors import SyncError
from rayrl.generate.engine import BaseRecipe
from rayrl.generate.packets import describe

FIX = "set adapter.base_transfer: packets"


def recipe(tensors: Iterable[tuple[str, Any]], double_quantization: bool) -> Iterator[BaseRecipe]:
    """One for all (name, torch tensor) pairs, which are let go of one by one; none for no pairs."""
    infos = [describe(name, tensor)[0] for name, tensor in tensors]
    if infos:
        yield BaseRecipe(infos, double_quantization)


def rounded(folder: Path, wanted: BaseRecipe, device: Any) -> Iterator[tuple[str, Any]]:
    """(name, torch tensor) pairs, made of the safetensors of a Hugging Face folder one by one, on the device.

    Raises:
        SyncError: A tensor is not in the files, or comes out other than the learner's.
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    from safetensors import safe_open

    missing = {info.name: info for info in wanted.tensors}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in sorted(missing.keys() & set(file.keys())):
                info = missing.pop(name)
                stored = file.get_tensor(name).to(device, getattr(torch, info.dtype))
                codes = quantize_4bit(stored, compress_statistics=wanted.double_quantization, quant_type="nf4")
                made = dequantize_4bit(*codes)
                if describe(name, made)[0] != info:
                    raise SyncError(f"weight sync: {name}, rounded to 4 bits, is not what the learner rounded; {FIX}")
                yield name, made
    if missing:
        raise SyncError(f"weight sync: {folder} holds no tensor {min(missing)!r}, which the learner rounded; {FIX}")
