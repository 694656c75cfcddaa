"""Inside a vLLM worker: reads packets and loads them by vLLM's layerwise reload."""

from dataclasses import dataclass
from pathlib import Path

from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

from rayrl.generate.engine import PacketFile, TensorInfo
from rayrl.generate.packets import read


@dataclass
class PacketInitInfo(WeightTransferInitInfo):  # type: ignore[misc]
    """Nothing is set up beforehand."""


@dataclass
class PacketUpdateInfo(WeightTransferUpdateInfo):  # type: ignore[misc]
    """One packet: its file, and `TensorInfo` fields of each tensor."""

    path: str
    tensors: list[tuple[str, str, list[int], int, int, int]]


class PacketWeightTransferEngine(WeightTransferEngine[PacketInitInfo, PacketUpdateInfo]):  # type: ignore[misc]
    """Weights in checkpoint format, verified by checksum before any is loaded."""

    init_info_cls = PacketInitInfo
    update_info_cls = PacketUpdateInfo

    def init_transfer_engine(self, init_info: PacketInitInfo) -> None:
        pass

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def finish_weight_update(self) -> None:
        finalize_layerwise_reload(self.model, self.model_config)

    def receive_weights(self, update_info: PacketUpdateInfo) -> None:
        infos = [TensorInfo(name, dtype, tuple(shape), *rest) for name, dtype, shape, *rest in update_info.tensors]
        weights = list(read(PacketFile(Path(update_info.path), infos)))
        self.model.load_weights((name, tensor.to(self.device)) for name, tensor in weights)

    def shutdown(self) -> None:
        pass
