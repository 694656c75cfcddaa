"""Texts that say nearly the same: MinHash (Broder 1997) finds candidates, the exact Jaccard similarity decides."""

import re
import zlib
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS = 32, 4
SHINGLE = 3

Shingles = NDArray[np.uint32]


def shingles(text: str) -> Shingles:
    """Hashes of all runs of three words, sorted, each once. A shorter text is one run."""
    words = re.findall(r"\w+", text.lower())
    count = max(1, len(words) - SHINGLE + 1)
    runs = (" ".join(words[at : at + SHINGLE]) for at in range(count))
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
