"""What benchmarks of the learner train: a freeze preset by its name, or `lora` or `qlora` on every linear module."""

from dataclasses import dataclass

from transformers import AutoConfig, PreTrainedConfig

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.batch import Batch
from rayrl.learner.memory import MemoryEstimator
from rayrl.learner.structure import Structure, read_structure
from tests.benchmarks.flops import Floor, floor

ADAPTERS = ["lora", "qlora"]


def settings_of(name: str) -> tuple[FreezeSettings, LoRASettings | None]:
    if name not in ADAPTERS:
        return FreezeSettings(preset=name), None
    return FreezeSettings(), LoRASettings(quantize="nf4" if name == "qlora" else None)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model's structure, without weights, and what of it trains."""

    model: ModelSettings
    adapter: LoRASettings | None
    config: PreTrainedConfig
    structure: Structure

    @classmethod
    def read(cls, name: str, model: ModelSettings) -> "Subject":
        freeze, adapter = settings_of(name)
        config = AutoConfig.from_pretrained(model.path)
        return cls(model, adapter, config, read_structure(model.path, freeze, adapter))

    @property
    def trained(self) -> int:
        """Parameters that train."""
        return self.structure.trained_size

    def floor(self, batch: Batch) -> Floor:
        parameters = self.structure.parameters
        sizes = {one.name: one.size for one in parameters}
        return floor(sizes, {one.name: one.trains for one in parameters}, self.config, batch, bool(self.structure.tied))

    def estimate(self, learner: LearnerSettings, tokens: int) -> int:
        """Bytes on one rank, as `--dry-run` prints them."""
        width = self.structure.stored_width
        estimator = MemoryEstimator(self.structure.parameters, self.model, learner, self.adapter, width)
        return estimator.without_batch().total + estimator.for_batch(tokens)
