"""A model's Hugging Face files: read into and written from sharded tensors, never whole in one process."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed as dist
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME

from rayrl.errors import ModelError

FILE_BYTES = 2_000_000_000  # of each file of an exported model: what rank 0 holds of it at once


def gather(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The whole of a sharded tensor on its device (a collective)."""
    tensor = tensor.detach().to(dtype)
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def other_layout(folder: Path, shapes: Mapping[str, torch.Size]) -> str | None:
    """The first of a model's tensors that its files do not hold by this name and in this shape; None: they hold all.

    Raises:
        ModelError: A file cannot be read.
    """
    try:
        stored = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model.path: cannot load the weights of {str(folder)!r}: {error}") from error
    return next(
        (name for name, shape in shapes.items() if name not in stored or getattr(stored[name], "size", None) != shape),
        None,
    )


def read_tensors(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fills tensors by their names in the files; of a sharded one each rank reads its own slices. A collective.

    Raises:
        ModelError: They cannot be read.
    """
    try:
        load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)))
    except (OSError, ValueError, RuntimeError, CheckpointException, SafetensorError) as error:
        raise ModelError(f"model.path: cannot load the weights of {str(folder)!r}: {error}") from error


def write_tensors(
    folder: Path, model: PreTrainedModel, tensors: Mapping[str, torch.Tensor], dtypes: Mapping[str, torch.dtype]
) -> None:
    """What `save_pretrained` writes, but file by file: rank 0 holds one file's tensors, the others one tensor."""
    writes = dist.get_rank() == 0
    planned = {name: torch.empty(one.shape, dtype=dtypes[name], device="meta") for name, one in tensors.items()}
    plan = split_torch_state_dict_into_shards(planned, max_shard_size=FILE_BYTES)
    if writes:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        if model.can_generate():
            model.generation_config.save_pretrained(folder)
    for file, names in plan.filename_to_tensors.items():
        gathered = {}
        for name in names:
            whole = gather(tensors[name], dtypes[name])
            if writes:
                gathered[name] = whole.cpu().contiguous()
        if writes:
            save_file(gathered, folder / file, metadata={"format": "pt"})
    if writes and plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (folder / SAFE_WEIGHTS_INDEX_NAME).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
