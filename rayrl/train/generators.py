"""A run's generators: with resources of their own, or each beside the learner rank with which it takes turns."""

import os
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rayrl.actors.generator import GeneratorActor
from rayrl.config import EvaluationConfig, GeneratorSettings
from rayrl.generate.engine import EngineSettings
from rayrl.train.cluster import ANYWHERE, generator_replicas


def start_generators(config: EvaluationConfig, settings: EngineSettings) -> list[Any]:
    """Handles of generators with CPUs and GPUs of their own, which start at once."""
    actor = _actor(config.generator, num_gpus=config.generator.gpus, scheduling_strategy=ANYWHERE)
    handles = [actor.remote(config.generator.engine, settings) for _ in range(generator_replicas(config))]
    for handle in handles:
        handle.start.remote()  # the coordinator waits for it; meanwhile the learner starts
    return handles


def generator_beside(generator: GeneratorSettings, settings: EngineSettings, local_rank: int) -> Any:
    """Handle of a generator on the machine of this process, a learner rank, and on its GPU, which Ray counts once.

    It ends with this process. The coordinator starts its engine.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = _actor(generator, num_gpus=0, scheduling_strategy=here)
    return actor.remote(generator.engine, replace(settings, device=_visible(local_rank) if generator.gpus else None))


def _visible(index: int) -> str:
    """The GPU that torch numbers `index` in this process, as CUDA_VISIBLE_DEVICES names it."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return names.split(",")[index] if names else str(index)


def _actor(generator: GeneratorSettings, **options: Any) -> Any:
    """Ray restarts one that dies; the coordinator brings it up to date."""
    return ray.remote(GeneratorActor).options(
        num_cpus=generator.cpus, max_restarts=-1, max_concurrency=10_000, **options
    )
