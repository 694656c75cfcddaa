"""What a trainer-side engine of vLLM's is given: metadata and tensors in one order, on every rank."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings
from rayrl.learner.learner import Learner
from tests.fakes.ranks import start_ranks


def run_rank(rank: int, ranks: int, model: str, folder: str) -> None:
    from rayrl.train.direct_transfer import LearnerWeights

    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    learner = Learner(
        ModelSettings(path=model, compute_dtype="bfloat16"),
        LearnerSettings(workers=ranks),
        FreezeSettings(preset="attention_only"),
        temperature=1.0,
        total_updates=1,
        seed=0,
        device=torch.device("cpu"),
    )
    names = [name for name, trains in learner.trainable.items() if trains]
    source = LearnerWeights(learner, names[::-1], keep=not rank)
    metadata = source.metadata()
    passes = [[(name, tensor.clone()) for name, tensor in source] for _ in range(2)]
    for sent in passes:
        assert [(one.name, one.dtype, one.shape) for one in metadata] == [
            (name, tensor.dtype, tuple(tensor.shape)) for name, tensor in sent
        ]
    assert all(torch.equal(left, right) for (_, left), (_, right) in zip(*passes, strict=True))
    kept = source.take_kept()
    assert [name for name, _ in kept] == ([] if rank else names[::-1])
    assert source.take_kept() == []
    assert all(torch.equal(left, right) for (_, left), (_, right) in zip(kept, passes[1], strict=not rank))
    dist.barrier()
    dist.destroy_process_group()


def test_metadata_and_tensors_agree_in_order_type_and_shape_on_two_ranks(tiny_model: Path, tmp_path: Path) -> None:
    start_ranks(run_rank, (2, str(tiny_model), str(tmp_path)), 2)


@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
def test_handles_of_memory_on_a_gpu_arrive_as_they_were_sent_and_vllm_takes_them() -> None:
    """Without its flag VLLM_ALLOW_INSECURE_SERIALIZATION, which would open more than this."""
    from vllm.distributed.weight_transfer.ipc_engine import IPCWeightTransferEngine, IPCWeightTransferUpdateInfo

    from rayrl.generate.weight_sync_engine import RayrlWeightTransferEngine, UpdateInfo
    from rayrl.train.direct_transfer import CoordinatorClient

    asked: list[tuple[Any, ...]] = []
    received: list[IPCWeightTransferUpdateInfo] = []
    direct = object.__new__(IPCWeightTransferEngine)
    direct.receive_weights = received.append
    engine = object.__new__(RayrlWeightTransferEngine)
    engine._direct = direct
    handles = {"GPU-1": (torch.Tensor, (2,), b"handle", 0)}
    sent = {"names": ["w"], "dtype_names": ["bfloat16"], "shapes": [[2]], "tensor_sizes": [4], "ipc_handles": handles}
    CoordinatorClient("ipc", lambda *call: asked.append(call)).update_weights(sent)
    ((method, step, fields),) = asked
    assert (method, step) == ("transfer", "receive")
    engine.receive_weights(UpdateInfo(fields=fields))
    assert (received[0].names, received[0].tensor_sizes, received[0].ipc_handles) == (["w"], [4], handles)
