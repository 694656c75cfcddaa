"""`generator` and `sampling`: the engines that sample, and the distribution they sample from."""

from typing import Any

from pydantic import Field

from rayrl.config.settings import Settings


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
    """GPUs that Ray reserves for each actor."""
    threads: int | None = Field(None, ge=1)
    """Compute threads of vLLM on CPU. None: one for each core."""
    max_concurrent_prompts: int = Field(64, ge=1)
    """Prompts in flight on one generator."""
    max_sequences: int = Field(256, ge=1)
    """Sequences that vLLM runs at once."""
    kv_cache_gb: float = Field(1.0, gt=0)
    """KV cache on CPU, in GB."""
    gpu_memory_utilization: float = Field(0.85, gt=0, le=1)
    """Share of the GPU's memory that vLLM takes."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further vLLM engine arguments, as named there."""
