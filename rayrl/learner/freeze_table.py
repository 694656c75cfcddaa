"""The resolved freeze spec as a table for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayrl.learner.freeze import layer_of
from rayrl.learner.structure import ParameterShape


@dataclass(frozen=True, slots=True)
class FreezeRow:
    """All tensors of one kind and one fate."""

    kind: str  # `self_attn.q_proj`, `embed_tokens (= lm_head)`
    layers: str  # `0-18,26-31`; empty outside the layers
    tensors: int
    parameters: int
    trainable: bool


def _ranges(layers: list[int]) -> str:
    runs: list[list[int]] = []
    for layer in sorted(set(layers)):
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def kind_of(name: str) -> str:
    """What a parameter is, whatever its layer: `self_attn.q_proj`, `mlp.down_proj`, `embed_tokens`, `lm_head`."""
    layer = layer_of(name)
    inside = name if layer is None else name.split(f".{layer}.", 1)[1]
    return inside.removeprefix("model.").removesuffix(".weight")


def _kind(name: str, tied: Mapping[str, str]) -> str:
    kind = kind_of(name)
    second = [alias.removesuffix(".weight") for alias, target in tied.items() if target == name]
    return f"{kind} (= {', '.join(second)})" if second else kind


def freeze_rows(parameters: Sequence[ParameterShape], tied: Mapping[str, str]) -> list[FreezeRow]:
    """Rows in the model's order.

    Args:
        parameters: Of the model.
        tied: As in `resolve`.
    """
    groups: dict[tuple[str, bool], list[ParameterShape]] = {}
    for parameter in parameters:
        groups.setdefault((_kind(parameter.name, tied), parameter.trains), []).append(parameter)
    return [
        FreezeRow(
            kind=kind,
            layers=_ranges([own.layer for own in group if own.layer is not None]),
            tensors=len(group),
            parameters=sum(own.size for own in group),
            trainable=trains,
        )
        for (kind, trains), group in groups.items()
    ]
