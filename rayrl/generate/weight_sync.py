"""The weight-transfer backend `rayrl` of vLLM: weights come as files on tmpfs, or by a backend of vLLM's own.

vLLM finds `register` through the entry point group `vllm.general_plugins`, in each of its processes.
"""

import ctypes
import multiprocessing
import signal

BACKEND = "rayrl"


def register() -> None:
    """Registers the backend and, on CPU, the fast LoRA; and lets vLLM's own processes die with their actor
    (github.com/vllm-project/vllm/issues/55510)."""
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
    from vllm.platforms import current_platform

    if BACKEND not in WeightTransferEngineFactory._registry:
        module = "rayrl.generate.weight_sync_engine"
        WeightTransferEngineFactory.register_engine(BACKEND, module, "RayrlWeightTransferEngine")
    if current_platform.is_cpu():
        wrapper = "rayrl.generate.lone_adapter.LoneAdapterPunica"
        type(current_platform).get_punica_wrapper = classmethod(lambda cls: wrapper)
    if multiprocessing.parent_process() is not None:
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
