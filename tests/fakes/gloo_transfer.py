"""vLLM's backend `nccl` over gloo, so that its own code of both sides runs without a GPU.

In vLLM's processes it is a plugin (`vllm.general_plugins`), found by the folder that `plugin_folder` writes.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch.distributed import BroadcastOptions, PrefixStore, ProcessGroupGloo, TCPStore
from vllm.distributed.weight_transfer import nccl_engine


class GlooGroup:
    """What `PyNcclCommunicator` does of it."""

    def __init__(self, address: str, port: int, rank: int, world_size: int) -> None:
        timeout = timedelta(seconds=60)
        self.store = TCPStore(address, port, world_size, is_master=rank == 0, timeout=timeout)
        self.group = ProcessGroupGloo(PrefixStore("weights", self.store), rank, world_size, timeout)

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        options = BroadcastOptions()
        options.rootRank = src
        self.group.broadcast([tensor], options).wait()

    def destroy(self) -> None:
        pass


def produce(
    iterator: Iterator[Any], group: GlooGroup, src: int, post_iter_func: Callable[[Any], torch.Tensor], **_: Any
) -> None:
    for item in iterator:
        group.broadcast(post_iter_func(item).contiguous(), src)


def consume(
    iterator: Iterable[tuple[str, tuple[list[int], torch.dtype]]],
    group: GlooGroup,
    src: int,
    post_unpack_func: Callable[[Any], None],
    **_: Any,
) -> None:
    for name, (shape, dtype) in iterator:
        tensor = torch.empty(shape, dtype=dtype)
        group.broadcast(tensor, src)
        post_unpack_func([(name, tensor)])


def join(info: Any, parallel: Any) -> GlooGroup:
    rank = info.rank_offset + parallel.rank
    return GlooGroup(info.master_address, info.master_port, rank, info.world_size)


def open_endpoint(info: Any) -> GlooGroup:
    return GlooGroup(info.master_address, info.master_port, 0, info.world_size)


def register() -> None:
    nccl_engine.worker_init_process_group = join
    nccl_engine.packed_nccl_broadcast_consumer = consume
    nccl_engine.open_trainer_endpoint = open_endpoint
    nccl_engine.packed_nccl_broadcast_producer = produce


def plugin_folder(folder: Path) -> Path:
    """A folder for PYTHONPATH from which vLLM's processes find `register`."""
    about = folder / "gloo_transfer-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gloo-transfer\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[vllm.general_plugins]\ngloo = tests.fakes.gloo_transfer:register\n")
    return folder
