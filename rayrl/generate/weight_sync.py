"""The weight-transfer backend `rayrl` of vLLM: weights come as files on tmpfs, filled from an object store.

vLLM finds `register` through the entry point group `vllm.general_plugins`, in each of its processes.
"""

import ctypes
import multiprocessing
import signal

BACKEND = "rayrl"


def register() -> None:
    """Registers the backend; and lets vLLM's own processes die with the actor that started them."""
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

    if BACKEND not in WeightTransferEngineFactory._registry:
        module = "rayrl.generate.weight_sync_engine"
        WeightTransferEngineFactory.register_engine(BACKEND, module, "PacketWeightTransferEngine")
    if multiprocessing.parent_process() is not None:
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
