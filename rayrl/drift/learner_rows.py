"""Drift of a learner's weights where they lie: each rank reads the base's rows that it holds the tuned ones of."""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from rayrl.drift.adapters import Adapter
from rayrl.drift.checkpoint_rows import drift_row
from rayrl.drift.distance import Distance, measure_distance
from rayrl.drift.weights import SafetensorsFolder, blocks
from rayrl.errors import FreezeError
from rayrl.learner import adapter
from rayrl.learner.learner import Learner
from rayrl.learner.model_files import gather


def find_unmatched(learner: Learner, base: SafetensorsFolder) -> list[str]:
    """Parameters that the base's files hold under another name or in another shape: their drift is not measured."""
    if learner.adapter_settings is not None:
        return []
    parameters = adapter.parameters(learner.policy.model)
    return [name for name, value in parameters.items() if base.shapes.get(name) != tuple(value.shape)]


def measure_learner(learner: Learner, base: SafetensorsFolder, step: int) -> list[dict[str, Any]]:
    """The rows that `rayrl drift --no-spectral` gives for the model that the learner would export. A collective.

    Raises:
        FreezeError: A frozen weight is no longer the base's.
    """
    distances = _of_weights(learner, base) if learner.adapter_settings is None else _of_adapter(learner, base)
    return [drift_row(step, step, name, found) for name, found in _over_ranks(distances, learner.device).items()]


def _of_weights(learner: Learner, base: SafetensorsFolder) -> dict[str, Distance]:
    """This rank's rows of every parameter. FSDP2 gives each rank an equal number of rows, the last ones fewer."""
    parameters = adapter.parameters(learner.policy.model)
    exported = learner.policy.model.config.dtype
    distances: dict[str, Distance] = {}
    for name in base.shapes:
        if name not in parameters or base.shapes[name] != tuple(parameters[name].shape):
            continue
        value = parameters[name].detach()
        distances[name] = Distance()
        own, first = value, 0
        if isinstance(value, DTensor):
            mesh = value.device_mesh
            if mesh.ndim > 1 and mesh.get_local_rank("replicate"):
                continue  # the first copy counts
            own, first = value.to_local(), -(-len(value) // mesh["shard"].size()) * mesh.get_local_rank("shard")
        for start, end in blocks(tuple(own.shape)):
            rows = base.rows(name, first + start, first + end).to(own.device)
            if not learner.trainable[name] and not torch.equal(own[start:end], rows.to(own.dtype)):
                distances[name].moved = 1.0
            tuned = own[start:end].to(exported)
            distances[name].add(rows, tuned, tuned.float() - rows.float())
    return distances


def _of_adapter(learner: Learner, base: SafetensorsFolder) -> dict[str, Distance]:
    """Whole matrices, dealt out over the ranks; the adapter is small and gathered on each."""
    assert learner.adapter_settings is not None
    parameters = adapter.parameters(learner.policy.model)
    trained = [name for name, trains in learner.trainable.items() if trains]
    tensors = {name: gather(parameters[name], torch.float32).cpu() for name in trained}
    config = adapter.adapter_config(learner.policy.model, learner.source)
    tuned = Adapter("adapter", config, tensors, base.shapes, learner.adapter_settings.merge)
    distances = {name: Distance() for name in base.shapes}
    for name in list(base.shapes)[dist.get_rank() :: dist.get_world_size()]:
        distances[name] = measure_distance(name, base, tuned)
    return distances


def _over_ranks(distances: Mapping[str, Distance], device: torch.device) -> dict[str, Distance]:
    table = torch.tensor([astuple(found) for found in distances.values()], dtype=torch.float64, device=device)
    dist.all_reduce(table)
    total = {name: Distance(*values) for name, values in zip(distances, table.tolist(), strict=True)}
    for name, found in total.items():
        if found.moved:
            raise FreezeError(f"the frozen parameter {name!r} is no longer what the base's files hold")
    return total
