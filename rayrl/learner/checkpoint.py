"""Writing and reading what a learner holds: its own full state, and plain Hugging Face folders."""

import json
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save, save
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from rayrl.errors import FreezeError, ModelError
from rayrl.learner.model import meta_model
from rayrl.learner.model_files import gather, other_layout, write_tensors
from rayrl.models import load_tokenizer, model_folder
from rayrl.peft_folder import write_peft_folder

_MOMENTS = ("exp_avg", "exp_avg_sq")


def _contents(parameters: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    contents: dict[str, Any] = {f"weight/{name}": parameter.detach() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter, {})
        contents |= {f"{moment}/{name}": state[moment] for moment in _MOMENTS if moment in state}
    return contents


def save_state(
    folder: Path,
    trained: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    updates: int,
    background: dist.ProcessGroup | None = None,
) -> "Future[Any]":
    """Weights that train, optimizer, number of updates and RNG. A collective; `folder` is seen by all ranks.

    Frozen weights are not written: they are those of the model the run started from.

    Args:
        folder: Where to.
        trained: By name.
        optimizer: Of them.
        updates: How many were made.
        background: Write tensors in a thread, from a copy in host memory that is made before this returns. The group is
            for its collectives alone, on CPU. None: they are written when this returns.

    Returns:
        Done when every rank has written all.

    Raises:
        CheckpointException, OSError: A rank could not write; with `background` the first from the future.
    """
    rank = dist.get_rank()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(torch.get_rng_state(), folder / f"rng-{rank}.pt")
    if rank == 0:
        steps = [int(state["step"]) for state in optimizer.state.values()]
        about = {"updates": updates, "optimizer_steps": max(steps, default=0), "trained": sorted(trained)}
        (folder / "learner.json").write_text(json.dumps(about, indent=1))
    dist.barrier()
    contents, tensors = _contents(trained, optimizer), folder / "tensors"
    if background is not None:
        future = async_save(contents, checkpoint_id=tensors, process_group=background)
        return future if isinstance(future, Future) else future.upload_completion
    written: Future[Any] = Future()
    written.set_result(save(contents, checkpoint_id=tensors))
    return written


def load_state(folder: Path, trained: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Reads `save_state`'s folder in place, on any number of ranks; returns the number of updates.

    Raises:
        ModelError: `folder` holds no state.
        FreezeError: It was written with other parameters trained.
    """
    try:
        about = json.loads((folder / "learner.json").read_text())
    except FileNotFoundError as error:
        raise ModelError(f"{str(folder)!r} holds no learner state (no learner.json)") from error
    if about["trained"] != sorted(trained):
        changed = sorted(set(about["trained"]) ^ set(trained))
        raise FreezeError(
            f"freeze: the checkpoint {str(folder)!r} was written with other parameters trained "
            f"({len(changed)} differ, {changed[0]!r} first); resume with the freeze and adapter settings of that run"
        )
    optimizer.state.clear()
    if about["optimizer_steps"]:
        for parameter in trained.values():
            step = torch.tensor(float(about["optimizer_steps"]), device=parameter.device)
            moments = {moment: torch.zeros_like(parameter.detach()) for moment in _MOMENTS}
            optimizer.state[parameter] = {"step": step, **moments}
    load(_contents(trained, optimizer), checkpoint_id=folder / "tensors")
    rng = folder / f"rng-{dist.get_rank()}.pt"
    if rng.exists():
        torch.set_rng_state(torch.load(rng))
    return int(about["updates"])


def export(
    folder: Path,
    source: str,
    held: Mapping[str, torch.Tensor],
    generation: GenerationConfig | None,
    chat_template: Path | None = None,
) -> None:
    """A Hugging Face folder in the source model's own dtype. A collective; rank 0 writes.

    Args:
        folder: Where to.
        source: Folder or hub name of the model that training started from: config, dtype and tokenizer.
        held: All parameters, sharded or not, and what else the model's files hold (`model.stored_buffers`).
        generation: Defaults for sampling that came with the model.
        chat_template: File of the tokenizer's chat template. None: its own.
    """
    model = meta_model(source)
    stored = model.config.dtype
    dtype = stored if isinstance(stored, torch.dtype) else torch.float32
    if generation is not None:
        model.generation_config = generation
    dtypes = {name: dtype if isinstance(one, torch.nn.Parameter) else one.dtype for name, one in held.items()}
    if other_layout(model_folder(source), {name: tensor.shape for name, tensor in held.items()}) is None:
        model.config.dtype = dtype
        write_tensors(folder, model, held, dtypes)
    else:  # transformers knows how to write that layout, from the whole model
        tensors = {name: gather(tensor, dtypes[name]).cpu() for name, tensor in held.items()}
        if dist.get_rank() == 0:
            torch.nn.Module.to(model, dtype)
            model.save_pretrained(folder, state_dict=tensors)
    if dist.get_rank() == 0 and (tokenizer := _tokenizer(source, chat_template)) is not None:
        tokenizer.save_pretrained(folder)
    dist.barrier()


def export_adapter(
    folder: Path,
    config: Mapping[str, Any],
    trained: Mapping[str, torch.Tensor],
    merge: bool,
    chat_template: Path | None = None,
) -> None:
    """A PEFT folder, with its weights in float32. A collective; rank 0 writes.

    Args:
        folder: Where to.
        config: Contents of adapter_config.json.
        trained: The adapter's parameters, sharded or not.
        merge: Write the whole model instead: the adapter added in float32 to the source's own weights, as stored there
            (with nf4 that is not the rounded base that the adapter was trained on), in the source's dtype.
        chat_template: File of the tokenizer's chat template. None: its own.
    """
    tensors = {name: gather(tensor, torch.float32).cpu() for name, tensor in trained.items()}
    source = config["base_model_name_or_path"]
    if dist.get_rank() == 0:
        if merge:
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
            model.save_pretrained(folder, state_dict=_merged(dict(model.named_parameters()), tensors, config))
        else:
            write_peft_folder(folder, config, tensors)
        if (tokenizer := _tokenizer(source, chat_template)) is not None:
            tokenizer.save_pretrained(folder)
    dist.barrier()


def _merged(
    base: Mapping[str, torch.Tensor], adapter: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """`base` with W + alpha / rank B A, computed in float32, for each weight W that has an adapter."""
    scale = config["lora_alpha"] / config["r"]
    whole = dict(base)
    for name, first in adapter.items():
        if name.endswith(".lora_A.weight"):
            second = adapter[name.replace(".lora_A.", ".lora_B.")]
            weight = name.replace(".lora_A.", ".")
            whole[weight] = (whole[weight].float() + scale * (second.float() @ first.float())).to(whole[weight].dtype)
    return whole


def _tokenizer(source: str, chat_template: Path | None) -> Any | None:
    path = Path(source)
    if path.is_dir() and not any(path.glob("tokenizer*")):
        return None
    return load_tokenizer(source, chat_template)
