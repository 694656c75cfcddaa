"""Which pods a run is given: their GPUs, and which of the run's parts Ray may put on each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError, ResourceError
from rayrl.train.cluster import generator_replicas, learner_ranks, needed_resources, takes_turns


class Mix(NamedTuple):
    """How many of the run's parts are on one pod."""

    ranks: int
    generators: int


@dataclass(frozen=True, slots=True)
class Group:
    """Pods of one size.

    Ray places by free GPUs alone, whatever the group is called: a generator may come to be where a rank was thought of.
    So `mixes` has all that can meet on one of these pods.
    """

    name: str
    pods: int
    gpus: int
    mixes: tuple[Mix, ...]
    scales: bool = False
    """Ray's autoscaler may take these pods away while they are idle."""


def groups(config: TrainingConfig, scales: bool = False) -> list[Group]:
    """Worker groups for a run: one pod where all of it fits one node, else whole nodes of learner ranks, whole nodes of
    generators, and what is left of each.

    Args:
        config: The settings; `estimate.gpus_per_node` says what a node has.
        scales: Generators come and go with the demand: each gets a pod of its own, apart from the ranks.

    Raises:
        ConfigError: A part fits no node, or parts that are on CPU would have to be divided.
    """
    whole = Mix(learner_ranks(config), generator_replicas(config))
    gpus = math.ceil(needed_resources(config)["GPU"])
    node, each = config.estimate.gpus_per_node, math.ceil(config.generator.gpus)
    apart, beside = _divisible(config), takes_turns(config)
    if scales and (beside or not (apart and whole.generators)):
        raise ConfigError("--autoscale-generators: there are no generators with whole GPUs of their own to scale")
    if whole.generators and each > node:
        raise ConfigError(
            f"generator.gpus ({config.generator.gpus:g}): a copy of the model fits no node of {node} GPUs "
            "(--gpus-per-node); lower generator.tensor_parallel_size and generator.gpus alike"
        )
    if not scales and gpus <= node:
        return [Group("all" if gpus else "cpu", 1, gpus, (whole,))]
    if not apart:
        raise ConfigError(
            f"the run needs {gpus} GPUs, a node has {node} (--gpus-per-node), and what runs on CPU cannot be divided "
            "over pods: set learner.gpus_per_worker to 1, and generator.gpus to generator.tensor_parallel_size"
        )
    parts = [("learners", whole.ranks, 1, node, False)]
    if not beside:
        parts += [("generators", whole.generators, each, 1 if scales else node // each, scales)]
    return [
        Group(name, pods, count * size, tuple(_mixes(whole, count * size, each, beside)), may_go)
        for part, total, size, most, may_go in parts
        for name, pods, count in _filled(part, total, most)
    ]


def require_nodes(found: Sequence[Group], per_node: int, nodes: int) -> None:
    """Raises ResourceError where the pods do not fit this many nodes."""
    if (needed := nodes_of(found, per_node)) > nodes:
        asked = ", ".join(f"{group.pods} x {group.gpus}" for group in found)
        raise ResourceError(
            f"--nodes {nodes}: pods with {asked} GPUs need {needed} nodes of {per_node} (--gpus-per-node); give more "
            "nodes, or lower learner.workers or generator.replicas"
        )


def nodes_of(found: Sequence[Group], per_node: int) -> int:
    """Nodes that hold all pods at once: the largest pod first, each on the first node with room."""
    free: list[int] = []
    for gpus in sorted((group.gpus for group in found for _ in range(group.pods)), reverse=True):
        place = next((place for place, left in enumerate(free) if left >= gpus), None)
        if place is None:
            free.append(per_node - gpus)
        else:
            free[place] -= gpus
    return len(free)


def _divisible(config: TrainingConfig) -> bool:
    """Whether every part has whole GPUs, so that they can be counted out to pods."""
    generator, ranks = config.generator.gpus, config.learner.gpus_per_worker
    return ranks == 1 and (generator >= 1 or not generator_replicas(config))


def _filled(name: str, total: int, most: int) -> Iterator[tuple[str, int, int]]:
    """(name, pods, parts on each): as many pods as `most` parts fill, and one for the rest."""
    full, rest = divmod(total, most)
    if full:
        yield name, full, most
    if rest:
        yield (f"{name}-rest" if full else name), 1, rest


def _mixes(whole: Mix, gpus: int, each: int, beside: bool) -> Iterator[Mix]:
    if beside:
        yield Mix(gpus, gpus)
        return
    for generators in range(min(whole.generators, gpus // each if each else 0) + 1):
        yield Mix(min(whole.ranks, gpus - generators * each), generators)
