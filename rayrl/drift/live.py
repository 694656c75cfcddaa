"""Drift of a learner's weights where they lie: each rank reads the base's rows that it holds the tuned ones of."""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from rayrl.drift.adapters import Adapter
from rayrl.drift.compare import Sums, compare
from rayrl.drift.measure import drift_row
from rayrl.drift.weights import SafetensorsFolder, blocks
from rayrl.errors import FreezeError
from rayrl.learner import adapter
from rayrl.learner.checkpoint import gathered
from rayrl.learner.learner import Learner


def unmatched(learner: Learner, base: SafetensorsFolder) -> list[str]:
    """Parameters that the base's files hold under another name or in another shape: their drift is not measured."""
    if learner.adapter_settings is not None:
        return []
    parameters = adapter.parameters(learner.policy.model)
    return [name for name, value in parameters.items() if base.shapes.get(name) != tuple(value.shape)]


def live_rows(learner: Learner, base: SafetensorsFolder, step: int) -> list[dict[str, Any]]:
    """The rows that `rayrl drift --no-spectral` gives for the model that the learner would export. A collective.

    Raises:
        FreezeError: A frozen weight is no longer the base's.
    """
    sums = _of_weights(learner, base) if learner.adapter_settings is None else _of_adapter(learner, base)
    return [drift_row(step, step, name, found) for name, found in _over_ranks(sums, learner.device).items()]


def _of_weights(learner: Learner, base: SafetensorsFolder) -> dict[str, Sums]:
    """This rank's rows of every parameter. FSDP2 gives each rank an equal number of rows, the last ones fewer."""
    parameters = adapter.parameters(learner.policy.model)
    exported = learner.policy.model.config.dtype
    sums: dict[str, Sums] = {}
    for name in base.shapes:
        if name not in parameters or base.shapes[name] != tuple(parameters[name].shape):
            continue
        value = parameters[name].detach()
        sharded = isinstance(value, DTensor)
        first = -(-len(value) // dist.get_world_size()) * dist.get_rank() if sharded else 0
        own = value.to_local() if isinstance(value, DTensor) else value
        sums[name] = Sums()
        for start, end in blocks(tuple(own.shape)):
            rows = base.rows(name, first + start, first + end).to(own.device)
            if not learner.trainable[name] and not torch.equal(own[start:end], rows.to(own.dtype)):
                sums[name].moved = 1.0
            tuned = own[start:end].to(exported)
            sums[name].add(rows, tuned, tuned.float() - rows.float())
    return sums


def _of_adapter(learner: Learner, base: SafetensorsFolder) -> dict[str, Sums]:
    """Whole matrices, dealt out over the ranks; the adapter is small and gathered on each."""
    assert learner.adapter_settings is not None
    parameters = adapter.parameters(learner.policy.model)
    tensors = {name: gathered(parameters[name], torch.float32) for name, trains in learner.trainable.items() if trains}
    config = adapter.adapter_config(learner.policy.model, learner.source)
    tuned = Adapter("adapter", config, tensors, base.shapes, learner.adapter_settings.merge)
    sums = {name: Sums() for name in base.shapes}
    for name in list(base.shapes)[dist.get_rank() :: dist.get_world_size()]:
        sums[name] = compare(name, base, tuned)
    return sums


def _over_ranks(sums: Mapping[str, Sums], device: torch.device) -> dict[str, Sums]:
    table = torch.tensor([astuple(found) for found in sums.values()], dtype=torch.float64, device=device)
    dist.all_reduce(table)
    total = {name: Sums(*values) for name, values in zip(sums, table.tolist(), strict=True)}
    for name, found in total.items():
        if found.moved:
            raise FreezeError(f"the frozen parameter {name!r} is no longer what the base's files hold")
    return total
