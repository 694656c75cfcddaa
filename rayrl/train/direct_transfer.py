"""Weights from GPU to GPU: vLLM's trainer-side engines, driven over a run's coordinator. Not yet run on GPUs."""

import pickle
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
import torch
from vllm.distributed.weight_transfer.base import ParamMeta, TrainerInitInfo, WeightSource
from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo
from vllm.utils.network_utils import get_open_port

from rayrl.config import TrainingConfig
from rayrl.learner.learner import Learner

Ask = Callable[..., Any]
"""(method of the coordinator, its arguments) -> its answer."""


class DirectTransfer:
    """One trainer-side engine of vLLM's. It is opened again where a generator that was started anew is to join.

    Args:
        config: Of the run; `weight_transfer` is `nccl` or `ipc`.
        names: Of the tensors, in the order in which they are sent.
        learner: That holds them.
        rank: Of this process; only the first one asks the coordinator, all gather.
        ask: Calls the coordinator, with a deadline.
    """

    def __init__(self, config: TrainingConfig, names: Sequence[str], learner: Learner, rank: int, ask: Ask) -> None:
        self.config, self.rank, self.ask = config, rank, ask
        self.client = CoordinatorClient(config.weight_transfer, ask)
        self.source = LearnerWeights(learner, names, keep=not rank)
        self._engine: Any = None

    def send(self, version: int) -> list[tuple[str, torch.Tensor]]:
        """Every generator holds `version` afterwards; on the first rank, the tensors on the CPU too."""
        all_joined = self.rank or self.ask("prepare_transfer")
        if self._engine is None or not all_joined:
            self._open()
        self.client.version = version
        self._engine.send_weights()
        return self.source.take_kept()

    def _open(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
        start = WeightTransferTrainerFactory.trainer_init
        self._engine = start(self._init_info(), client=self.client, source=self.source)

    def _init_info(self) -> TrainerInitInfo:
        if self.config.weight_transfer == "ipc":
            return IPCTrainerInitInfo(rank=self.rank, packed=True)
        generator = self.config.generator
        return NCCLTrainerInitInfo(
            rank=self.rank,
            master_address=ray.util.get_node_ip_address(),
            master_port=get_open_port(),
            world_size=1 + generator.replicas * int(generator.gpus),
        )


class LearnerWeights(WeightSource):  # type: ignore[misc]
    """A learner's tensors, each whole, in the compute dtype, by their Hugging Face names.

    Args:
        learner: That holds them.
        names: Which, and in what order.
        keep: Copy to the CPU what passes, for generators that join later.
    """

    def __init__(self, learner: Learner, names: Sequence[str], keep: bool) -> None:
        self.learner, self.names, self.keep = learner, names, keep
        self._kept: list[tuple[str, torch.Tensor]] = []

    def metadata(self) -> list[ParamMeta]:
        shapes = self.learner.shapes(self.names)
        return [ParamMeta(name, self.learner.compute_dtype, shape) for name, shape in shapes.items()]

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        self._kept = []
        for name, tensor in self.learner.tensors(self.names):
            if self.keep:  # whoever sends waits for its stream at the end, and so for these copies
                host = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda)
                self._kept.append((name, host.copy_(tensor, non_blocking=True)))
            yield name, tensor

    def take_kept(self) -> list[tuple[str, torch.Tensor]]:
        """What the last pass copied; it is let go of here."""
        kept, self._kept = self._kept, []
        return kept


class CoordinatorClient:
    """vLLM's `VLLMWeightSyncClient` for all generators of a run at once."""

    def __init__(self, backend: str, ask: Ask) -> None:
        self.backend, self.ask, self.version = backend, ask, 0

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        self.ask("transfer", "open", {"backend": self.backend, **init_info})

    def start_weight_update(self) -> None:
        self.ask("transfer", "start", {})

    def update_weights(self, update_info: dict[str, Any]) -> None:
        fields = dict(update_info)
        if handles := fields.pop("ipc_handles", None):  # no message of vLLM's own processes takes them as they are
            fields["ipc_handles_pickled"] = b64encode(pickle.dumps(handles)).decode()
        self.ask("transfer", "receive", fields)

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        self.ask("transfer", "finish", {"version": self.version})
