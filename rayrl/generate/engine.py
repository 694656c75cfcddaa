"""What a generator needs of an inference engine. Engines know neither Ray nor the learner."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from rayrl.processor import compute_dtype
from rayrl.types import Rollout, Sampling, Score

MAX_CONTINUATIONS = 64
"""Of one prompt, whose log-probabilities are asked for together. vLLM gives those of 128 tokens at one position."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine is started with."""

    model: str
    """Folder or hub name."""
    max_model_len: int
    """Longest prompt + completion, in tokens."""
    seed: int
    max_sequences: int | None
    """At once; None: as many as the engine takes by itself."""
    tensor_parallel_size: int
    threads: int
    kv_cache_bytes: int
    """On CPU, and on a GPU that it shares; on its own it takes what is left of `gpu_memory_utilization`."""
    gpu_memory_utilization: float
    options: dict[str, Any]
    adapter: dict[str, Any] | None = None
    """Contents of adapter_config.json where `load_weights` brings a LoRA adapter; None: it brings none."""
    gpus: float = 0.0
    """That it has; 0: it runs on CPU."""
    dtype: str = field(default_factory=compute_dtype)
    """Type of the weights on CPU; on GPUs they are bfloat16."""
    shares_gpu: bool = False
    """A learner has memory of the GPU too."""
    sleeps: bool = False
    """It will be told to sleep."""
    device: str | None = None
    """The GPU that it takes, as CUDA_VISIBLE_DEVICES names it; None: those that Ray gives its actor."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies in a packet's bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int
    """XXH3, 64 bits."""


@dataclass(frozen=True, slots=True)
class PacketFile:
    """Tensors in one file, with checksums taken where they were made."""

    path: Path
    tensors: Sequence[TensorInfo]


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """Linear weights as an engine makes them of its own model's files: rounded to NF4 and back. The checksums are of
    what the learner made; offsets mean nothing."""

    tensors: Sequence[TensorInfo]
    double_quantization: bool


TransferStep = Literal["open", "start", "receive", "finish"]


class Engine(Protocol):
    """An inference engine that samples and whose weights can be replaced while it runs."""

    version: int
    """Policy version (number of updates) of the weights that it holds."""

    @property
    def alive(self) -> bool:
        """False once its processes have died, whatever its calls then do: a new actor makes another."""
        return True

    async def start(self) -> None:
        """Loads the model. Called once, before anything else."""

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        """`sampling.n` completions; logprobs are of the distribution that was sampled from."""

    async def hold(self, count: int) -> None:
        """Starts no completion until `count` more are asked for. So what is computed together, and with it how it is
        rounded, is the same in every run. Those that never come are not waited for long."""

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        """How probable each of at most MAX_CONTINUATIONS continuations of a prompt is. Neither it nor they are empty,
        and with any of them it is at most `max_model_len` tokens. Evaluations by likelihood alone ask for this."""

    async def load_weights(self, version: int, packets: Sequence[PacketFile | BaseRecipe]) -> None:
        """Replaces the named weights, the adapter's as a whole; completions in flight are frozen meanwhile and
        continue with the new weights.

        Raises:
            SyncError: What arrived is not what was sent.
        """

    async def transfer(self, step: TransferStep, fields: dict[str, Any]) -> None:
        """Takes part in a transfer that a trainer-side engine of vLLM's drives. Asked only where
        `generator.weight_transfer` is no packets, which only vLLM can take.

        Args:
            step: `open` joins the learner; `start`, `receive` (as often as it is asked) and `finish` make one update,
                during which completions in flight are frozen.
            fields: What the trainer's side says: of `open` with the `backend`, of `finish` with the `version`.
        """

    async def sleep(self) -> None:
        """Leaves its GPU's memory to a learner, until new weights come. Nothing is in flight, and nothing is asked for
        before them. Asked only where `colocate` is set; if it sleeps already, nothing happens."""

    async def close(self) -> None:
        """Ends every process of the engine."""
