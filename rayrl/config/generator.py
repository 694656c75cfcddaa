"""`generator` and `sampling`: the engines that sample, and the distribution they sample from."""

import math
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rayrl.config.settings import Settings
from rayrl.processor import compute_dtype


class SamplingSettings(Settings):
    temperature: float = Field(1.0, ge=0)
    """Softmax temperature of rollouts. 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of rollouts; in GRPO 1 (all tokens), so that sampler and learner speak of one distribution. Evaluations
    have their own."""
    max_tokens: int = Field(256, ge=1)
    """Longest completion, in tokens."""


PROCESSED = "processed_logprobs"
"""vLLM's log-probabilities of the distribution that is sampled from, temperature included."""


SPLITS = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""vLLM's engine arguments that each multiply the GPUs of one generator."""


class GeneratorSettings(Settings):
    engine: str = "vllm"
    """`vllm`, or `package.module:Class` that has the methods of rayrl.generate.engine.Engine."""
    replicas: int = Field(1, ge=1)
    """Generator actors, each with a copy of the model."""
    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs over which one copy is split."""
    cpus: float = Field(1.0, ge=0)
    """CPUs that Ray reserves for each actor."""
    gpus: float = Field(0.0, ge=0)
    """GPUs that Ray reserves for each actor: 0 (CPU), as many as one copy is split over, or a share of one. Where this
    is left out, and `learner.gpus_per_worker` and `colocate` too, a run takes this machine's GPUs, if it has some: one
    for each generator and each rank, or one for both in turns."""
    threads: int | None = Field(None, ge=1)
    """Compute threads of vLLM on CPU. None: one for each core."""
    max_concurrent_prompts: int = Field(64, ge=1)
    """Prompts in flight on one generator."""
    max_sequences: int | None = Field(None, ge=1)
    """Sequences that vLLM runs at once. None: 256 on CPU; on GPUs what vLLM takes for work without users, 1,024 on an
    H100 and 256 on smaller ones."""
    kv_cache_gb: float = Field(1.0, gt=0)
    """KV cache in GB, on CPU and on a GPU that a learner rank has too (`colocate`, or shares of one)."""
    gpu_memory_utilization: float = Field(0.85, gt=0, le=1)
    """Share of the GPU's memory that vLLM takes, where it has the GPU to itself."""
    weight_transfer: Literal["auto", "packets", "nccl", "ipc"] = "auto"
    """How new weights reach vLLM. `packets`: over Ray's object store, on any machine. `nccl`: from GPU to GPU. `ipc`:
    within one GPU that a lone rank and a lone generator share. auto: the last two where they apply."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further vLLM engine arguments, as named there."""

    @property
    def dtype(self) -> str:
        """That vLLM computes in."""
        return str(self.options.get("dtype", "bfloat16" if self.gpus else compute_dtype()))

    @model_validator(mode="after")
    def require_gpus_of_a_copy(self) -> Self:
        given = {"tensor_parallel_size": self.tensor_parallel_size} | self.options
        sizes = {name: int(given.get(name) or 1) for name in SPLITS}
        needed = math.prod(sizes.values())
        if needed != max(1, self.gpus):
            named = " x ".join(f"{name} ({size})" for name, size in sizes.items())
            raise ValueError(
                f"gpus ({self.gpus:g}) must be {needed}: a copy of the model takes {named}; set both alike"
            )
        return self
