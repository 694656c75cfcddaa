"""The resolved freeze spec as a table for people."""

from collections.abc import Mapping
from dataclasses import dataclass

from rayrl.learner.freeze import layer_of


@dataclass(frozen=True, slots=True)
class Row:
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


def table(trainable: Mapping[str, bool], sizes: Mapping[str, int], tied: Mapping[str, str] | None = None) -> list[Row]:
    """Rows in the model's order.

    Args:
        trainable: From `resolve`.
        sizes: Number of elements of each parameter.
        tied: As in `resolve`.
    """
    groups: dict[tuple[str, bool], list[str]] = {}
    for name, trains in trainable.items():
        groups.setdefault((_kind(name, tied or {}), trains), []).append(name)
    return [
        Row(
            kind=kind,
            layers=_ranges([layer for layer in map(layer_of, names) if layer is not None]),
            tensors=len(names),
            parameters=sum(sizes[name] for name in names),
            trainable=trains,
        )
        for (kind, trains), names in groups.items()
    ]
