"""`learner`: ranks, AdamW and its schedule, and memory."""

from typing import Literal, Self

from pydantic import Field, model_validator

from rayrl.config.settings import Settings


class LearnerSettings(Settings):
    workers: int = Field(1, ge=1)
    """Ranks: FSDP2 shards the model over them."""
    replicate: int = Field(1, ge=1)
    """Copies of the sharded model (HSDP): each is sharded over workers / replicate ranks, and only gradients go between
    copies, once an update. The number of nodes, where one node's ranks can hold the model."""
    cpus_per_worker: float = Field(1.0, ge=0)
    """CPUs that Ray reserves for each."""
    gpus_per_worker: float = Field(0.0, ge=0)
    """GPUs that Ray reserves for each: 0 (CPU, gloo) or 1 (NCCL); a share of one for a lone rank."""
    threads: int | None = Field(None, ge=1)
    """Torch threads of each on CPU. None: the machine's cores divided by `workers`."""
    learning_rate: float = Field(1e-6, gt=0)
    """Peak rate of AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Rate after warm-up: kept, or brought to 0 linearly or by a cosine."""
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of all updates in which the rate rises linearly from 0."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's betas."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this global norm."""
    microbatch_tokens: int = Field(16384, ge=1)
    """Most packed tokens of one forward and backward on a rank. A group with more is cut into several with the same
    prompt; a single row never is. Changes memory, never the result."""
    activation_checkpointing: bool = False
    """Recompute each layer's activations in backward."""
    compile: bool = False
    """Compile the decoder layers (torch.compile) at their first use, which takes a minute or more: for long runs on
    GPUs. Needs a C++ compiler. Changes speed, and the result by rounding alone."""

    @model_validator(mode="after")
    def whole_copies(self) -> Self:
        if self.workers % self.replicate or (self.replicate > 1 and self.shards < 2):
            raise ValueError(
                f"replicate is {self.replicate} and workers {self.workers}: each copy of the model needs as many "
                "ranks, at least two; 1 shards one copy over all of them"
            )
        return self

    @model_validator(mode="after")
    def require_one_gpu_a_rank(self) -> Self:
        if self.gpus_per_worker > 1 or (self.workers > 1 and self.gpus_per_worker not in (0, 1)):
            raise ValueError(
                f"gpus_per_worker ({self.gpus_per_worker:g}) must be 0 or 1 with workers {self.workers}: a rank "
                "computes on one GPU, and NCCL takes no two ranks on the same; a share of one goes with workers: 1"
            )
        return self

    @property
    def shards(self) -> int:
        """Ranks that hold one copy of the model."""
        return self.workers // self.replicate
