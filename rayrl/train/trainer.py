"""Ray Train's TorchTrainer without two actors that only import: ten processor seconds of each start, of eighty-five."""

from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

UNUSED = (
    DatasetsCallback,  # hands out shards of Ray Data; the prompts come from the coordinator
    PlacementGroupCleanerCallback,  # for a controller that dies before its driver; here the driver ends with it
)


class Trainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer for a driver that ends soon after its controller, whichever way."""

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, UNUSED)]
