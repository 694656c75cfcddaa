"""A model without its weights: what each of its parameters is, and whether it trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from rayrl.config import FreezeSettings, LoRASettings
from rayrl.learner.adapter import adapter_config, linear_modules, parameters, prepare
from rayrl.learner.freeze import layer_of
from rayrl.learner.model import meta_model, tied_names


@dataclass(frozen=True, slots=True)
class ParameterShape:
    """One parameter, without its values."""

    name: str
    shape: tuple[int, ...]
    trains: bool
    nf4: bool = False
    """The learner holds it in 4 bits."""

    @property
    def size(self) -> int:
        """Its elements."""
        return prod(self.shape)

    @property
    def layer(self) -> int | None:
        """The decoder layer it belongs to, None outside: what FSDP gathers together."""
        return layer_of(self.name)


@dataclass(frozen=True, slots=True)
class Structure:
    """What config.json, the freeze rules and the adapter say of a model."""

    parameters: list[ParameterShape]
    """In the model's order, the adapter's beside the base's."""
    base_size: int
    """Elements of the model without an adapter."""
    tied: Mapping[str, str]
    """Second names of shared tensors, as `tied_names` gives them."""
    stored_width: int
    """Bytes of a weight in the model's files."""
    positions: int | None
    """Longest context; None: the config does not say."""
    query_width: int
    """Elements of a token's queries, in all layers together."""
    key_value_width: int
    """Elements of a token's keys and values, in all layers together."""
    adapter: dict[str, Any] | None
    """Contents of adapter_config.json; None: the weights themselves train."""

    @property
    def trained_size(self) -> int:
        """Elements that train."""
        return sum(parameter.size for parameter in self.parameters if parameter.trains)


def read_structure(path: str, freeze: FreezeSettings, adapter: LoRASettings | None) -> Structure:
    """The structure of the model at `path`, a folder or hub name.

    Raises:
        ModelError, FreezeError, ConfigError: As `meta_model` and `adapter.prepare`.
    """
    model = meta_model(path)
    base_size = sum(parameter.numel() for parameter in model.parameters())
    packed = {f"{module}.weight" for module in linear_modules(model)} if adapter and adapter.quantize else set()
    tied = tied_names(model)
    queries, keys_and_values = _attention_widths(model.config.get_text_config())
    trains = prepare(model, freeze, adapter)
    return Structure(
        parameters=[
            ParameterShape(name, tuple(parameter.shape), trains[name], name in packed)
            for name, parameter in parameters(model).items()
        ],
        base_size=base_size,
        tied=tied,
        stored_width=getattr(model.config.dtype, "itemsize", 4),
        positions=getattr(model.config, "max_position_embeddings", None),
        query_width=queries,
        key_value_width=keys_and_values,
        adapter=adapter_config(model, path) if adapter else None,
    )


def _attention_widths(config: Any) -> tuple[int, int]:
    """Elements of a token's queries, and of its keys and values, in all layers; each layer counts as full attention."""
    heads = getattr(config, "num_attention_heads", 0)
    key_value_heads = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or (config.hidden_size // heads if heads else 0)
    layers = config.num_hidden_layers
    return layers * heads * width, 2 * layers * key_value_heads * width
