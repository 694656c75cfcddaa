"""SFT: a step's examples, from the file that the driver tokenized."""

from pathlib import Path
from typing import Any

from rayrl.config import SFTConfig
from rayrl.data.examples import ExampleFile
from rayrl.data.order import ExampleOrder
from rayrl.learner.batch import sft_tree
from rayrl.learner.objectives import sft_objective
from rayrl.train.source import StepWork
from rayrl.types import Example


class Examples:
    """Examples as trees: those that share a context, and begin with the same token, in one, the others alone."""

    needs_generators = False

    def __init__(self, config: SFTConfig, file: Path) -> None:
        self.config = config
        self.file = ExampleFile(file)
        self.groups = self.file.groups()
        self.order = ExampleOrder(self.groups, config.run.seed)
        self.objective = sft_objective(config.normalizer)

    def take(self, step: int) -> StepWork:
        size = self.config.examples_per_step
        indices = [self.order[at] for at in range(step * size, (step + 1) * size)]
        together: dict[tuple[int, int], list[Example]] = {}  # by what a tree must have in common
        for index in indices:
            example = self.file[index]
            together.setdefault((self.groups[index], example.token_ids[0]), []).append(example)
        trees = [sft_tree(examples, self.config.target.loss) for examples in together.values()]
        tokens = sum(len(example.token_ids) for examples in together.values() for example in examples)
        record: dict[str, Any] = {
            "data/examples": size,
            "data/tokens": tokens,
            "data/epoch": (step + 1) * size / len(self.file),
        }
        return StepWork([trees], True, lambda: record)
