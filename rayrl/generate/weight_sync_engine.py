"""Inside a vLLM worker: new weights, read from packets or taken by one of vLLM's own backends, go into the model."""

import pickle
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, UnquantizedEmbeddingMethod
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.platforms import current_platform

from rayrl.generate.base_recipe import rounded
from rayrl.generate.engine import BaseRecipe, PacketFile, TensorInfo
from rayrl.generate.packets import read
from rayrl.models import model_folder


@dataclass
class InitInfo(WeightTransferInitInfo):  # type: ignore[misc]
    """Packets need nothing beforehand. A `backend` of vLLM's joins the learner with its own `fields`."""

    backend: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class UpdateInfo(WeightTransferUpdateInfo):  # type: ignore[misc]
    """One packet: its file, and `TensorInfo` fields of each tensor. Or a `BaseRecipe`: those, and whether scales are
    quantized too. Or what the backend's own update says."""

    path: str = ""
    tensors: list[tuple[str, str, list[int], int, int, int]] = field(default_factory=list)
    double_quantization: bool | None = None
    fields: dict[str, Any] | None = None


class RayrlWeightTransferEngine(WeightTransferEngine[InitInfo, UpdateInfo]):  # type: ignore[misc]
    """Weights in checkpoint format. Packets are verified by checksum before any tensor is loaded; they always work,
    also for a generator that missed the others' transfer. A backend of vLLM's is faster where there are GPUs."""

    init_info_cls = InitInfo
    update_info_cls = UpdateInfo
    _direct: Any = None

    def init_transfer_engine(self, init_info: InitInfo) -> None:
        self.shutdown()
        if init_info.backend:
            backend = WeightTransferEngineFactory._registry[init_info.backend]()
            direct = backend(self.config, self.vllm_config, self.device, self.model)
            direct.init_transfer_engine(direct.parse_init_info(init_info.fields))
            self._direct = direct

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def finish_weight_update(self) -> None:
        if self._direct is not None:
            self._direct.finish_weight_update()  # the same, and gives back what it held
        else:
            finalize_layerwise_reload(self.model, self.model_config)
        if current_platform.is_cpu():
            _process_heads(self.model)

    def receive_weights(self, update_info: UpdateInfo) -> None:
        if update_info.fields is not None:
            fields = dict(update_info.fields)
            if handles := fields.pop("ipc_handles_pickled", ""):  # by our own learner: vLLM refuses those of strangers
                fields["ipc_handles"] = pickle.loads(b64decode(handles))
            self._direct.receive_weights(self._direct.parse_update_info(fields))
            return
        infos = [TensorInfo(name, dtype, tuple(shape), *rest) for name, dtype, shape, *rest in update_info.tensors]
        if update_info.double_quantization is not None:
            folder = model_folder(self.vllm_config.model_config.model)
            self.model.load_weights(rounded(folder, BaseRecipe(infos, update_info.double_quantization), self.device))
            return
        weights = list(read(PacketFile(Path(update_info.path), infos)))
        self.model.load_weights((name, tensor.to(self.device)) for name, tensor in weights)

    def shutdown(self) -> None:
        if self._direct is not None:
            self._direct.shutdown()
            self._direct = None


def _process_heads(model: Any) -> None:
    """On CPU a head computes with a copy of its weight in the kernel's layout. vLLM makes it again where a weight of
    that name was loaded: not for a head that has the embedding's (nothing public known of it)."""
    for layer in model.modules():
        if isinstance(layer, ParallelLMHead) and isinstance(layer.quant_method, UnquantizedEmbeddingMethod):
            layer.quant_method.process_weights_after_loading(layer)
