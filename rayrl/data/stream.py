"""The order in which prompts are drawn: a pure function of the seed and a position, so a cursor is its whole state."""

import random
import zlib
from collections.abc import Sequence
from functools import lru_cache


class PromptOrder:
    """Position 0, 1, 2, … -> index of a prompt. Each epoch is a fresh permutation."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self._permutation = lru_cache(maxsize=4)(self._shuffle)

    def __getitem__(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        return self._permutation(epoch)[offset]

    def sampling_seed(self, position: int) -> int:
        """Seed of the completions drawn at a position: the same whatever finishes first."""
        return zlib.crc32(f"{self.seed}/{position}".encode())

    def _shuffle(self, epoch: int) -> Sequence[int]:
        order = list(range(self.count))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        return order


class ExampleOrder:
    """Position -> index of an example. Groups are shuffled each epoch; the examples of one follow each other."""

    def __init__(self, groups: Sequence[int], seed: int) -> None:
        self.members: dict[int, list[int]] = {}
        for index, group in enumerate(groups):
            self.members.setdefault(group, []).append(index)
        self.numbers = list(self.members)
        self.count = len(groups)
        self.order = PromptOrder(len(self.numbers), seed)
        self._epoch = lru_cache(maxsize=2)(self._laid_out)

    def __getitem__(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        return self._epoch(epoch)[offset]

    def _laid_out(self, epoch: int) -> Sequence[int]:
        start = epoch * len(self.numbers)
        drawn = (self.numbers[self.order[at]] for at in range(start, start + len(self.numbers)))
        return [index for group in drawn for index in self.members[group]]
