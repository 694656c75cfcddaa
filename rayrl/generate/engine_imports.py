"""What vLLM's engine process on CPU imports; read by the server that it is forked from (`engine_process`)."""

from rayrl.imports import uncollected

with uncollected():
    import vllm.v1.engine.core
    import vllm.v1.executor.uniproc_executor
    import vllm.v1.worker.cpu_worker  # noqa: F401
