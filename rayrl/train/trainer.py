"""Ray Train's TorchTrainer without actors that only import: up to twelve processor seconds of a start's eighty-five."""

import os
from typing import Any

import ray
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy


class OneMachine(FixedScalingPolicy):  # type: ignore[misc]
    """Asks no autoscaler for the ranks' room, as there is none: an actor of its own would pass it on."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class Trainer(TorchTrainer):  # type: ignore[misc]
    """Without shards of Ray Data, as prompts come from the coordinator; and, where the job ends with this process, as
    its placement groups do, without the actor that removes those of a controller that died
    (github.com/ray-project/ray/issues/65443). A trial's job outlives its controller."""

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback,) if _in_trial() else (DatasetsCallback, PlacementGroupCleanerCallback)
        return [one for one in super()._create_default_callbacks() if not isinstance(one, unused)]

    def _initialize_and_run_controller(self, **given: Any) -> Any:
        if not _in_trial() and "RAY_ADDRESS" not in os.environ:  # Ray was started here, for this run
            given["scaling_policy"] = OneMachine(self.scaling_config)
        return super()._initialize_and_run_controller(**given)


def _in_trial() -> bool:
    return ray.get_runtime_context().get_actor_id() is not None
