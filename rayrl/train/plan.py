"""What a run will do: checked and shown before it starts, and written to plan.json."""

from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rayrl.config import EvaluationConfig, FreezeSettings, SFTConfig, TrainingConfig
from rayrl.learner.freeze_table import FreezeRow, freeze_rows
from rayrl.learner.memory import Memory, MemoryEstimator
from rayrl.learner.model_files import FILE_BYTES
from rayrl.learner.structure import Structure, read_structure
from rayrl.models import resolve_model
from rayrl.train.cluster import takes_turns
from rayrl.train.datasets import Datasets, read_datasets
from rayrl.train.memory import PartMemory, RunMemory, largest_microbatch, mapped_bytes, run_memory
from rayrl.train.phase_times import PhaseTimes, phase_times
from rayrl.units import GB

if TYPE_CHECKING:
    from rayrl.evaluate.harness_tasks import HarnessTask

ASLEEP = 2_000_000_000  # what a sleeping vLLM keeps on its GPU (context, kernels, workspace): own choice, not measured


class ModelPlan:
    """What is known of a model that generators are to hold, and of the memory that takes, in bytes."""

    config: EvaluationConfig

    @cached_property
    def model(self) -> str:
        """Folder or hub name."""
        return resolve_model(self.config.model.path)

    @cached_property
    def structure(self) -> Structure:
        return read_structure(self.model, FreezeSettings(), None)

    @property
    def generator_bytes(self) -> int:
        """Of one generator: weights, and on CPU the KV cache."""
        generator = self.config.generator
        weights = sum(parameter.size for parameter in self.structure.parameters)
        return _width(generator.dtype) * weights + (0 if generator.gpus else int(generator.kv_cache_gb * GB))

    @cached_property
    def harness_tasks(self) -> dict[str, "HarnessTask"]:
        return harness_tasks(self.config)

    @cached_property
    def harness_sizes(self) -> dict[str, int]:
        """Documents of each of them."""
        return {name: task.size for name, task in self.harness_tasks.items()}


class RunPlan(ModelPlan):
    """What a run's settings come to. Each part is found once, when it is first asked for; sizes are in bytes.

    Every part raises a RayrlError where it cannot be had (`preflight.CHECKS` asks for all of them).

    Args:
        config: The settings.
        drafts: Removes what the data are tokenized into, unless it was moved.
    """

    config: TrainingConfig

    def __init__(self, config: TrainingConfig, drafts: ExitStack) -> None:
        self.config = config
        self._drafts = drafts

    @cached_property
    def structure(self) -> Structure:
        return read_structure(self.model, self.config.freeze, self.config.adapter)

    @cached_property
    def data(self) -> Datasets:
        return read_datasets(self.config, self.model, self._drafts)

    @property
    def freeze_rows(self) -> list[FreezeRow]:
        """What trains and what is frozen."""
        return freeze_rows(self.structure.parameters, self.structure.tied)

    @property
    def state_bytes(self) -> int:
        """Of one full checkpoint: weights that train and AdamW's moments."""
        return 12 * self.structure.trained_size if self._trains else 0

    @property
    def kept_bytes(self) -> int:
        """Of what the run leaves on disk: `checkpoint.keep` full checkpoints and what is exported."""
        return self.config.checkpoint.keep * self.state_bytes + self._exported_bytes

    @property
    def learner_memory(self) -> Memory:
        """Of one learner rank, without micro-batches."""
        return self._estimator.without_batch()

    @cached_property
    def largest_microbatch(self) -> int:
        """Packed tokens of the largest micro-batch that can come."""
        return largest_microbatch(self.config, self.data) if self._trains else 0

    @cached_property
    def activation_bytes(self) -> int:
        """What the largest micro-batch that can come holds for its backward, and the holes between."""
        return self._estimator.for_batch(self.largest_microbatch) if self._trains else 0

    @property
    def exporting_bytes(self) -> int:
        """What rank 0 holds of the exported model in host memory at once: a file, with an adapter all of it, merged
        beside the base. Models that `transformers` stores in another layout than it computes with take more: a rank
        holds them whole."""
        exported, adapter = self._exported_bytes, self.config.adapter
        if adapter:
            return 2 * exported if adapter.merge else exported
        return min(FILE_BYTES, exported)

    @property
    def learner_bytes(self) -> int:
        """Of one learner rank, with activations, and on CPU with what it maps of the object store and copies."""
        copied = 0 if self.config.learner.gpus_per_worker else self._copied_bytes
        on_cpu = mapped_bytes(self.config, self._sent_bytes) + copied
        return self.learner_memory.total + self.activation_bytes + on_cpu

    @property
    def device_bytes(self) -> int:
        """Of a rank's GPU. Where a generator takes turns on it: of whichever turn takes more."""
        config = self.config
        if not (takes_turns(config) and config.generator.gpus):
            return self.learner_bytes
        sampling = self.learner_memory.resting + self.generator_bytes + int(config.generator.kv_cache_gb * GB)
        return max(self.learner_bytes, sampling) + ASLEEP

    @property
    def memory_without_batch(self) -> RunMemory:
        """As `memory`, as far as it is known without the data."""
        return run_memory(self.config, self._parts(0))

    @property
    def memory(self) -> RunMemory:
        """Of the whole run, where all of it is on this machine."""
        return run_memory(self.config, self.parts)

    @property
    def parts(self) -> PartMemory:
        """Of one of each of the run's parts, with activations."""
        return self._parts(self.activation_bytes)

    @property
    def phase_times(self) -> PhaseTimes | None:
        """Of one step, where all of it runs on GPUs, something trains, and every weight multiplies every token."""
        config, structure = self.config, self.structure
        on_gpus = config.learner.gpus_per_worker and (isinstance(config, SFTConfig) or config.generator.gpus)
        sparse = any(".experts." in parameter.name for parameter in structure.parameters)
        if not (on_gpus and self._trains) or sparse:
            return None
        parts = PartMemory(self.device_bytes, self.generator_bytes, self._sent_bytes)
        return phase_times(config, structure, self.mean_tokens, parts)

    @property
    def mean_tokens(self) -> float:
        """Of a prompt to sample from, in SFT of an example."""
        examples = self.data.examples
        return float(examples.lengths().mean()) if examples else fmean(len(one.token_ids) for one in self.data.train)

    def split(self, workers: int, replicas: int) -> "RunPlan":
        """The plan with other counts of learner ranks and generators; nothing is read again."""
        learner = self.config.learner.model_copy(update={"workers": workers})
        generator = self.config.generator.model_copy(update={"replicas": replicas})
        update = {"learner": learner, "generator": generator}
        other = RunPlan(self.config.model_copy(update=update), self._drafts)
        other.model, other.structure, other.data = self.model, self.structure, self.data
        return other

    def record(self) -> dict[str, Any]:
        """What plan.json holds: what trains, the memory that is expected, and on GPUs the seconds of a step."""
        return {
            "model": self.model,
            "parameters": self.structure.base_size,
            "freeze": [asdict(row) for row in self.freeze_rows],
            "learner_bytes": self.learner_bytes,
            "generator_bytes": self.generator_bytes,
            "run_bytes": self.memory.total,
            "phase_times": self.phase_times and self.phase_times.record(),
        }

    @property
    def _trains(self) -> bool:
        """Whether there is any update; else the model is evaluated only."""
        return bool(self.config.steps or (isinstance(self.config, SFTConfig) and self.config.epochs))

    @property
    def _exported_bytes(self) -> int:
        """Of a PEFT folder in float32, or of a whole model in the type of the source's files."""
        if not self._trains:
            return 0
        structure, adapter = self.structure, self.config.adapter
        if adapter and not adapter.merge:
            return 4 * structure.trained_size
        return structure.stored_width * structure.base_size

    @property
    def _sent_bytes(self) -> int:
        return _width(self.config.model.compute_dtype) * self.structure.trained_size

    @property
    def _copied_bytes(self) -> int:
        """Of the part of a checkpoint that one rank copies in host memory, where it is written in the background."""
        return self.state_bytes // self.config.learner.shards if self.config.checkpoint.background else 0

    @property
    def _base_bytes(self) -> int:
        """Of the weights that the learner rounds to 4 bits, where it sends them."""
        if self.config.base_transfer == "recipe":
            return 0
        packed = sum(parameter.size for parameter in self.structure.parameters if parameter.nf4)
        return _width(self.config.model.compute_dtype) * packed

    def _parts(self, batch_bytes: int) -> PartMemory:
        learner = self.learner_memory.total + batch_bytes
        return PartMemory(learner, self.generator_bytes, self._sent_bytes, self._copied_bytes, self._base_bytes)

    @property
    def _estimator(self) -> MemoryEstimator:
        config, structure = self.config, self.structure
        settings = (config.model, config.learner, config.adapter)
        return MemoryEstimator(structure.parameters, *settings, structure.stored_width, config.keeps_reference)


def harness_tasks(config: EvaluationConfig) -> dict[str, "HarnessTask"]:
    """Each benchmark that is a task of lm-evaluation-harness, with its data; raises as `HarnessTask`."""
    from rayrl.evaluate.harness_tasks import HarnessTask

    tasks = config.harness_tasks.items()
    return {name: HarnessTask(settings, f"benchmarks.{name}.lm_eval") for name, settings in tasks}


def _width(dtype: str) -> int:
    """Bytes of a weight."""
    return 4 if dtype == "float32" else 2
