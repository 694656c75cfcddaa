"""Ray Train's TorchTrainer without actors that only import: up to ten processor seconds of a start's eighty-five."""

from typing import Any

import ray
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback


class Trainer(TorchTrainer):  # type: ignore[misc]
    """Without shards of Ray Data, as prompts come from the coordinator; and, where the job ends with this process, as
    its placement groups do, without the actor that removes those of a controller that died
    (github.com/ray-project/ray/issues/65443). A trial's job outlives its controller."""

    def _create_default_callbacks(self) -> list[Any]:
        in_trial = ray.get_runtime_context().get_actor_id() is not None
        unused = (DatasetsCallback,) if in_trial else (DatasetsCallback, PlacementGroupCleanerCallback)
        return [one for one in super()._create_default_callbacks() if not isinstance(one, unused)]
