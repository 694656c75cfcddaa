"""The order in which prompts are drawn: a pure function of the seed and a position, so a cursor is its whole state."""

import random
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.int64]
"""Eight bytes each: 220,000 rows in lists and dicts of Python's integers were 70 MB."""


class PromptOrder:
    """Position 0, 1, 2, … -> index of a prompt. Each epoch is a fresh permutation."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self._permutation = lru_cache(maxsize=4)(self._shuffle)

    def __getitem__(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        return int(self._permutation(epoch)[offset])

    def epoch(self, number: int) -> Numbers:
        """All positions of an epoch."""
        return self._permutation(number)

    def sampling_seed(self, position: int) -> int:
        """Seed of the completions drawn at a position: the same whatever finishes first."""
        return zlib.crc32(f"{self.seed}/{position}".encode())

    def _shuffle(self, epoch: int) -> Numbers:
        order = list(range(self.count))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        return np.array(order, dtype=np.int64)


class ExampleOrder:
    """Position -> index of an example. Groups are shuffled each epoch; the examples of one follow each other."""

    def __init__(self, groups: Sequence[int] | Numbers, seed: int) -> None:
        self.members = np.argsort(groups, kind="stable")  # side by side where they share a group
        self.sizes = np.unique(groups, return_counts=True)[1]
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.count = len(groups)
        self.order = PromptOrder(len(self.sizes), seed)
        self._epoch = lru_cache(maxsize=2)(self._laid_out)

    def __getitem__(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        return int(self._epoch(epoch)[offset])

    def _laid_out(self, epoch: int) -> Numbers:
        drawn = self.order.epoch(epoch)
        sizes = self.sizes[drawn]
        # Each group's first place in `members`, less its first place here, plus the place.
        shift = np.repeat(self.starts[drawn] - (np.cumsum(sizes) - sizes), sizes)
        laid_out: Numbers = self.members[shift + np.arange(self.count)]
        return laid_out
