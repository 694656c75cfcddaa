"""What Ray Train is given, and what it calls on each rank. Light: its controller imports this without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayrl.config import TrainingConfig
from rayrl.generate.engine import EngineSettings
from rayrl.learner.backend import collectives


@dataclass(frozen=True, slots=True)
class RankJob:
    """What each learner rank works on."""

    config: TrainingConfig
    model: str
    """Folder or hub name."""
    coordinator: Any
    """Handle of the CoordinatorActor."""
    prompts: Any
    """Reference to the PromptSets."""
    folder: Path
    """Of the run."""
    learner_bytes: int
    """Memory that one rank is expected to take."""
    device_bytes: int
    """Memory of its GPU that is needed there, with what is beside it."""
    beside: EngineSettings | None = None
    """Of the generator with which a rank takes turns; None: generators are elsewhere."""


def run_ranks(job: RankJob) -> None:
    """Runs Ray Train to its end."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    from rayrl.train.trainer import Trainer

    config, learner = job.config, job.config.learner
    gpu = learner.gpus_per_worker > 0
    resources = {"CPU": learner.cpus_per_worker} | ({"GPU": learner.gpus_per_worker} if gpu else {})
    Trainer(
        run_rank,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(num_workers=learner.workers, use_gpu=gpu, resources_per_worker=resources),
        torch_config=TorchConfig(backend=collectives(gpu)),
        run_config=RunConfig(
            name=config.run.name,
            storage_path=str(job.folder / "ray_train"),
            # Its controller waits a minute for room for the ranks, and counts a failure of its own when there is none
            # (github.com/ray-project/ray/pull/54833).
            failure_config=FailureConfig(max_failures=config.run.max_failures, controller_failure_limit=10),
        ),
    ).fit()


def run_rank(given: dict[str, RankJob]) -> None:
    """Entry point on each rank. Ray Train passes a dictionary: its one entry is the job."""
    import ray

    from rayrl.actors.deadlines import original
    from rayrl.errors import RayrlError
    from rayrl.imports import uncollected

    with uncollected():
        from rayrl.train.loop import Rank

    job = given["job"]
    try:
        Rank(job).run()
    except RayrlError as error:
        # No restart mends these: the driver raises them and ends all ranks; returning, Ray Train does not try again.
        ray.get(job.coordinator.fail.remote(error), timeout=60)
    except ray.exceptions.RayTaskError as error:
        cause = original(error)
        if not isinstance(cause, RayrlError):
            raise
        ray.get(job.coordinator.fail.remote(cause), timeout=60)
