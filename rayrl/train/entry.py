"""What Ray Train is given, and what it calls on each rank. Light: its controller imports this without torch."""

from pathlib import Path
from typing import Any


def fit(context: dict[str, Any]) -> None:
    """Runs Ray Train to its end. `context`: config, model, coordinator, prompts (a reference), run_dir."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    from rayrl.train.trainer import Trainer

    config = context["config"]
    learner = config.learner
    gpu = learner.gpus_per_worker > 0
    resources = {"CPU": learner.cpus_per_worker} | ({"GPU": learner.gpus_per_worker} if gpu else {})
    Trainer(
        train_loop,
        train_loop_config=context,
        scaling_config=ScalingConfig(num_workers=learner.workers, use_gpu=gpu, resources_per_worker=resources),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            name=config.run.name,
            storage_path=str(Path(context["run_dir"]) / "ray_train"),
            # Its controller waits a minute for room for the ranks, and counts a failure of its own when there is none.
            failure_config=FailureConfig(max_failures=config.run.max_failures, controller_failure_limit=10),
        ),
    ).fit()


def train_loop(context: dict[str, Any]) -> None:
    """Entry point on each rank, with the same context."""
    import ray

    from rayrl.actors.waiting import original
    from rayrl.errors import RayrlError
    from rayrl.train.loop import Rank

    coordinator = context["coordinator"]
    try:
        Rank(context).run()
    except RayrlError as error:
        # No restart mends these: the driver raises them and ends all ranks; returning, Ray Train does not try again.
        ray.get(coordinator.fail.remote(error), timeout=60)
    except ray.exceptions.RayTaskError as error:
        cause = original(error)
        if not isinstance(cause, RayrlError):
            raise
        ray.get(coordinator.fail.remote(cause), timeout=60)
