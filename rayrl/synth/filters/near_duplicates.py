"""Texts that say nearly the same: MinHash (Broder 1997) finds candidates, the exact Jaccard similarity decides. And
documents of which one holds most of another."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS = 32, 4
SHINGLE = 3
RUN = 8
MAX_RUNS = 2**23
CONTAINED = 0.5

Shingles = NDArray[np.uint32]


def shingles(text: str, length: int = SHINGLE) -> Shingles:
    """Hashes of all runs of so many words, sorted, each once. A shorter text is one run."""
    words = re.findall(r"\w+", text.lower())
    count = max(1, len(words) - length + 1)
    runs = (" ".join(words[at : at + length]) for at in range(count))
    return np.unique(np.fromiter((zlib.crc32(run.encode()) for run in runs), np.uint32, count))


def jaccard(first: Shingles, second: Shingles) -> float:
    """Shared shingles over all."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


class NearDuplicates:
    """Texts seen so far. Two count as nearly the same from `threshold` on, and within one `kind` only."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        random = np.random.default_rng(0)
        self._factor = random.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
        self._shift = random.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)
        self._buckets: dict[tuple[str, int, bytes], list[int]] = defaultdict(list)
        self._seen: list[tuple[str, Shingles]] = []

    def add(self, name: str, text: str, kind: str = "") -> str | None:
        """The name of an earlier text that says nearly the same; None, and the text is remembered, where there is
        none."""
        own = shingles(text)
        keys = [(kind, band, part) for band, part in enumerate(self._bands(own))]
        candidates = sorted({index for key in keys for index in self._buckets.get(key, ())})
        for index in candidates:
            earlier, other = self._seen[index]
            if jaccard(own, other) >= self.threshold:
                return earlier
        for key in keys:
            self._buckets[key].append(len(self._seen))
        self._seen.append((name, own))
        return None

    def _bands(self, own: Shingles) -> list[bytes]:
        # Multiply and shift: the upper half of a * x + b modulo 2 ** 64.
        hashed = (self._factor[:, None] * own.astype(np.uint64)[None, :] + self._shift[:, None]) >> np.uint64(32)
        signature = hashed.min(axis=1).reshape(BANDS, ROWS)
        return [band.tobytes() for band in signature]


class SharedText:
    """Documents by their runs of eight words. Beyond `MAX_RUNS` of all together, an even sample of the runs is kept."""

    def __init__(self, most: int = MAX_RUNS) -> None:
        self._most, self._mask = most, 0
        self._runs: dict[str, Shingles] = {}

    def add(self, name: str, text: str) -> None:
        """Remembers a document."""
        self._runs[name] = self._sample(shingles(text, RUN))
        while sum(map(len, self._runs.values())) > self._most:
            self._mask = 2 * self._mask + 1
            self._runs = {name: self._sample(runs) for name, runs in self._runs.items()}

    def _sample(self, runs: Shingles) -> Shingles:
        sampled: Shingles = runs[runs & np.uint32(self._mask) == 0]
        return sampled

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Documents that hold at least half of the runs of the shorter of the two in common."""
        names, sizes = list(self._runs), np.array([len(runs) for runs in self._runs.values()])
        runs = np.concatenate(list(self._runs.values()))
        order = np.argsort(runs, kind="stable")
        runs, owners = runs[order], np.repeat(np.arange(len(names)), sizes)[order]
        for number, own in enumerate(self._runs.values()):
            first, last = np.searchsorted(runs, own), np.searchsorted(runs, own, "right")
            several = last - first > 1
            sharing = [owners[at:end] for at, end in zip(first[several], last[several], strict=True)]
            shared = np.bincount(np.concatenate([owners[:0], *sharing]), minlength=len(names))[:number]
            enough = np.maximum(CONTAINED * np.minimum(sizes[:number], sizes[number]), 1)
            yield from ((names[other], names[number]) for other in np.flatnonzero(shared >= enough))
