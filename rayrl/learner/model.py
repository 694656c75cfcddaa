"""Loading a causal language model and running it over a forest, sharded by FSDP2."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import init_empty_weights
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedModel
from transformers.quantizers.auto import AutoHfQuantizer

from rayrl.config import ModelSettings
from rayrl.errors import ModelError
from rayrl.learner import attention
from rayrl.learner.batch import Batch
from rayrl.learner.head import Head, Kernels, TargetStatistics, target_logprobs

_PARAMS_4BIT = ("blocksize", "compress_statistics", "quant_type", "quant_storage")


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


def meta_model(path: str, dtype: torch.dtype | None = None, quantization: Any = None) -> PreTrainedModel:
    """The model's structure without its weights, from config.json alone. Buffers hold their values, on the CPU.

    Args:
        path: Folder or hub name.
        dtype: Of the weights; None: as config.json says, else float32.
        quantization: How linear weights are held in 4 bits; None: they are not.

    Raises:
        ModelError: There is no model at `path`.
    """
    config = _config(path)
    make: Any = AutoModelForCausalLM.from_config
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = make(config, dtype=dtype or config.dtype)
    model.tie_weights()
    with suppress(OSError):
        model.generation_config = GenerationConfig.from_pretrained(path)
    if quantization is not None:
        _hold_codes(model, quantization)
    return _checked(model, path)


def _hold_codes(model: PreTrainedModel, quantization: Any) -> None:
    """Turns linear weights into what bitsandbytes keeps of them: two codes a byte, [elements / 2, 1]."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
    quantizer.preprocess_model(model, device_map=None)
    quantizer.postprocess_model(model)
    for module in model.modules():
        if isinstance(module, Linear4bit):
            whole = module.weight
            codes = torch.empty((whole.numel() // 2, 1), dtype=whole.quant_storage, device="meta")
            kept = {name: getattr(whole, name) for name in _PARAMS_4BIT}
            module.weight = Params4bit(codes, requires_grad=False, module=module, bnb_quantized=True, **kept)


def load_model(path: str, dtype: torch.dtype | Literal["auto"] = "auto") -> PreTrainedModel:
    """A causal language model, from a local folder or the hub, whole on the CPU.

    Args:
        path: Folder or hub name.
        dtype: Of the weights; auto: as they are stored.

    Raises:
        ModelError: There is no model at `path`, or its weights cannot be read.
    """
    config = _config(path)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(path, config=config, dtype=dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"model.path: cannot load the weights of {path!r}: {error}") from error
    return _checked(model, path)


def _checked(model: PreTrainedModel, path: str) -> PreTrainedModel:
    """The model with attention over forests where it can have it. Raises ModelError where it has no linear head."""
    if not isinstance(_head(model), nn.Linear):
        raise ModelError(f"model.path: {path!r} has no linear output embedding, which the learner needs")
    obstacle = attention.forest_obstacle(model)
    if obstacle is None:
        model.set_attn_implementation(attention.NAME)
    else:
        warnings.warn(
            f"model.path: {path!r} cannot share prompts ({obstacle}); it runs on plain rows, each completion with its "
            "prompt, padded to the longest of a micro-batch: slower and larger, the same result",
            stacklevel=3,
        )
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
        self.attention, self.dtype = settings.attention, getattr(torch, settings.compute_dtype)
        self.forest = model.config._attn_implementation == attention.NAME
        self.kernels = Kernels()
        self.softcap: float | None = getattr(model.config, "final_logit_softcapping", None)
        if activation_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            # transformers has just made the embeddings' output need a gradient, which only re-entrant checkpointing
            # wants: it would run a backward through every frozen layer below the lowest one that trains
            # (github.com/huggingface/transformers/pull/42558).
            model.disable_input_require_grads()  # type: ignore[no-untyped-call]
        self.train()

    def forward(self, batch: Batch, temperature: float) -> TargetStatistics:
        """Log-probabilities of the targets at this temperature, and what else the head says of them.

        Args:
            batch: Where `forest` is False, of plain rows (`cut` with a budget of 0).
            temperature: That of the sampler, above 0.
        """
        states = self.hidden(batch)
        weight, bias, softcap = self.head()
        return target_logprobs(states, weight, batch.targets, temperature, softcap, bias, self.kernels)

    def hidden(self, batch: Batch) -> torch.Tensor:
        """[K, H]: what the head sees where each target is predicted."""
        states = self._forest_hidden(batch) if self.forest else self._plain_hidden(batch)
        return states[batch.sources]

    def head(self) -> Head:
        """The output embedding; under FSDP whole only after a forward, until the weights are sharded again."""
        head = _head(self.model)
        return Head(head.weight, getattr(head, "bias", None), self.softcap)

    def _forest_hidden(self, batch: Batch) -> torch.Tensor:
        """[N, H]: the whole batch as one row."""
        score_cap = getattr(self.model.config, "attn_logit_softcapping", None)
        kernel = attention.choose(self.attention, batch.token_ids.device, self.dtype, score_cap)
        states: torch.Tensor = _decoder(self.model)(
            input_ids=batch.token_ids[None],
            position_ids=batch.position_ids[None],
            use_cache=False,
            forest=attention.Forest(batch, kernel),
        ).last_hidden_state[0]
        return states

    def _plain_hidden(self, batch: Batch) -> torch.Tensor:
        """[N, H]: each chain a row of its own. Padding on the right is seen by nothing before it."""
        parts = [batch.token_ids[start:end] for start, end in batch.spans]
        rows = nn.utils.rnn.pad_sequence(parts, batch_first=True)
        states = _decoder(self.model)(input_ids=rows, use_cache=False).last_hidden_state
        return torch.cat([row[: len(part)] for row, part in zip(states, parts, strict=True)])


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder's layers, first to last."""
    layers = getattr(_decoder(model), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ModelError(f"model.path: {type(model).__name__} keeps its layers in a way the learner does not know")
    return layers


def shard(policy: PolicyModule, mesh: DeviceMesh, compute_dtype: torch.dtype) -> None:
    """Shards each decoder layer, and the rest (embeddings, norm, head) as one unit, over the mesh, in place.

    On one rank, frozen weights that need no cast (those in the compute dtype, and 4-bit codes) are used as they lie: no
    second, gathered copy.
    """
    precision = MixedPrecisionPolicy(param_dtype=compute_dtype, reduce_dtype=torch.float32)
    alone = mesh.size() == 1
    uncast = (compute_dtype, torch.uint8)
    as_is = {p for p in policy.parameters() if alone and not p.requires_grad and p.dtype in uncast}
    for layer in decoder_layers(policy.model):
        fully_shard(layer, mesh=mesh, mp_policy=precision, reshard_after_forward=not alone, ignored_params=as_is)
    fully_shard(policy, mesh=mesh, mp_policy=precision, reshard_after_forward=False, ignored_params=as_is)
    register_fsdp_forward_method(policy, "hidden")


def tied_names(model: PreTrainedModel) -> dict[str, str]:
    """Second names of shared tensors: {"lm_head.weight": "model.embed_tokens.weight"} where the head is tied."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            tied[name] = first[id(parameter)]
    return tied


def stored_buffers(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What a model's files hold beside its parameters, such as the router's corrections of a mixture of experts."""
    return {
        f"{prefix}.{name}" if prefix else name: buffer
        for prefix, module in model.named_modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    }
