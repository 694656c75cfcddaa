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
