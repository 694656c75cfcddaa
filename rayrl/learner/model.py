"""Loading a causal language model and running it over a forest, sharded by FSDP2."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from rayrl.config import ModelSettings
from rayrl.errors import ModelError
from rayrl.learner import attention
from rayrl.learner.batch import Batch
from rayrl.learner.head import target_logprobs


def _config(path: str) -> Any:
    """The model's configuration with every dropout off: GRPO compares probabilities of one policy."""
    try:
        config = AutoConfig.from_pretrained(path)
    except (OSError, ValueError) as error:
        hint = "it must hold config.json" if Path(path).is_dir() else "no such folder, and no hub model either"
        raise ModelError(f"model.path: cannot read a model at {path!r} ({hint}): {error}") from error
    for name, value in vars(config).items():
        if ("dropout" in name or name.endswith("pdrop")) and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


def meta_model(path: str) -> PreTrainedModel:
    """The model's structure without its weights, from config.json alone.

    Raises:
        ModelError: There is no model at `path`.
    """
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(_config(path))  # type: ignore[no-untyped-call]
    model.tie_weights()
    return model


def load_model(
    path: str,
    dtype: torch.dtype = torch.float32,
    quantization: BitsAndBytesConfig | None = None,
    device: torch.device | str = "cpu",
) -> PreTrainedModel:
    """A causal language model, from a local folder or the hub.

    Args:
        path: Folder or hub name.
        dtype: Of the weights.
        quantization: Quantise each linear weight on `device` as soon as it is read; None: load on the CPU.
        device: Where a quantised model goes.

    Raises:
        ModelError: There is no model at `path`, or its weights cannot be read.
    """
    config = _config(path)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=dtype,
            attn_implementation=attention.NAME,
            quantization_config=quantization,
            device_map={"": device} if quantization else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"model.path: cannot load the weights of {path!r}: {error}") from error
    head = _head(model)
    if not isinstance(head, nn.Linear) or head.bias is not None:
        raise ModelError(f"model.path: {path!r} has no plain linear output embedding, which the learner needs")
    return model


def _head(model: PreTrainedModel) -> Any:
    return model.get_output_embeddings()  # type: ignore[no-untyped-call]


def _decoder(model: PreTrainedModel) -> Any:
    return model.get_decoder()  # type: ignore[no-untyped-call]


class PolicyModule(nn.Module):
    """A causal language model that answers with the log-probabilities of a batch's targets."""

    def __init__(self, model: PreTrainedModel, settings: ModelSettings, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.model = model
        self.flex = settings.attention == "flex"
        self.softcap: float | None = getattr(model.config, "final_logit_softcapping", None)
        if activation_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            # transformers has just made the embeddings' output need a gradient, which only re-entrant checkpointing
            # wants: it would run a backward through every frozen layer below the lowest one that trains.
            model.disable_input_require_grads()  # type: ignore[no-untyped-call]
        self.train()

    def forward(self, batch: Batch, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
        """(logprobs [K] float32 of the targets at this temperature, entropy [K] float32 without gradient), in nats."""
        hidden = _decoder(self.model)(
            input_ids=batch.token_ids[None],
            position_ids=batch.position_ids[None],
            use_cache=False,
            forest=attention.Forest(batch, self.flex),
        ).last_hidden_state[0]
        weight: torch.Tensor = _head(self.model).weight
        return target_logprobs(hidden[batch.sources], weight, batch.targets, temperature, self.softcap)


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder's layers, first to last."""
    layers = getattr(_decoder(model), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ModelError(f"model.path: {type(model).__name__} keeps its layers in a way the learner does not know")
    return layers


def shard(policy: PolicyModule, mesh: DeviceMesh, compute_dtype: torch.dtype) -> None:
    """Shards each decoder layer, and the rest (embeddings, norm, head) as one unit, over the mesh, in place.

    A lone rank has nothing to gather: there, frozen weights that are in the compute dtype already stay as they are.
    """
    frozen = {value for value in policy.parameters() if not value.requires_grad and value.dtype == compute_dtype}
    ignored = frozen if mesh.size() == 1 else None
    precision = MixedPrecisionPolicy(param_dtype=compute_dtype, reduce_dtype=torch.float32)
    for layer in decoder_layers(policy.model):
        again = mesh.size() > 1
        fully_shard(layer, mesh=mesh, mp_policy=precision, reshard_after_forward=again, ignored_params=ignored)
    fully_shard(policy, mesh=mesh, mp_policy=precision, reshard_after_forward=False, ignored_params=ignored)


def tied_names(model: PreTrainedModel) -> dict[str, str]:
    """Second names of shared tensors: {"lm_head.weight": "model.embed_tokens.weight"} where the head is tied."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            tied[name] = first[id(parameter)]
    return tied
