"""What benchmarks of the learner train: a freeze preset by its name, or `lora` or `qlora` on every linear module."""

from dataclasses import dataclass
from math import prod

from transformers import PreTrainedConfig

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.adapter import linear_modules, parameters, prepare
from rayrl.learner.batch import Batch
from rayrl.learner.estimate import Shape, activations, estimate, holes
from rayrl.learner.freeze import layer_of
from rayrl.learner.model import meta_model, tied_names
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
    trainable: dict[str, bool]
    shapes: dict[str, Shape]
    linear: list[str]
    tied: bool
    stored_bytes: int

    @classmethod
    def read(cls, name: str, model: ModelSettings) -> "Subject":
        structure = meta_model(model.path)
        freeze, adapter = settings_of(name)
        linear = [f"{module}.weight" for module in linear_modules(structure)]
        tied = bool(tied_names(structure))
        trainable = prepare(structure, freeze, adapter)
        shapes = {name: tuple(parameter.shape) for name, parameter in parameters(structure).items()}
        width = structure.config.dtype.itemsize
        return cls(model, adapter, structure.config, trainable, shapes, linear, tied, width)

    @property
    def trained(self) -> int:
        """Parameters that train."""
        return sum(prod(shape) for name, shape in self.shapes.items() if self.trainable[name])

    def floor(self, batch: Batch) -> Floor:
        sizes = {name: prod(shape) for name, shape in self.shapes.items()}
        return floor(sizes, self.trainable, self.config, batch, self.tied)

    def estimate(self, learner: LearnerSettings, tokens: int) -> int:
        """Bytes on one rank, as `--dry-run` prints them."""
        units = {name: layer_of(name) for name in self.shapes}
        held = estimate(
            self.trainable,
            self.shapes,
            units,
            self.model,
            learner,
            self.stored_bytes,
            adapter=self.adapter,
            quantizable=self.linear,
        )
        about = (self.trainable, self.shapes, units, self.model, learner, tokens)
        packed = self.linear if self.adapter and self.adapter.quantize else []
        return held.total + activations(*about) + holes(*about, packed)
