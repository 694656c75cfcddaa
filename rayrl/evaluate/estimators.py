"""What n samples of one item say of k: pass@k and maj@k, both as the mean over all ways to choose k of the n."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb, prod


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that at least one of k is correct: 1 - C(n - c, k) / C(n, k), unbiased (Chen et al. 2021,
    arXiv:2107.03374), as a product that neither overflows nor cancels.

    Raises ValueError unless 0 <= correct <= samples and 1 <= k <= samples.
    """
    _require(samples, correct, k)
    if samples - correct < k:
        return 1.0
    few, many = sorted((correct, k))  # the formula is the same with both exchanged: the shorter product
    return 1.0 - prod(1.0 - many / number for number in range(samples - few + 1, samples + 1))


def majority_at_k(correct: int, others: Sequence[int], silent: int, k: int) -> float:
    """Chance that the answer with most votes among k is the right one; of answers that tie, each is drawn alike.

    Args:
        correct: Samples with the right answer.
        others: How many samples gave each wrong answer.
        silent: Samples without an answer: they are drawn, and have no vote.
        k: Drawn without replacement. Where no sample votes, the answer is wrong.

    Raises ValueError unless 1 <= k <= all samples.
    """
    samples = correct + sum(others) + silent
    _require(samples, correct, k)
    return _majority(correct, tuple(sorted(others)), silent, k)


@lru_cache(maxsize=4096)
def _majority(correct: int, others: tuple[int, ...], silent: int, k: int) -> float:
    """Counts the ways to draw k exactly: by the votes for the right answer, then answer by answer."""
    won = Fraction(0)
    for votes in range(1, min(correct, k) + 1):
        ways = {(0, 0): 1}  # (wrong answers with as many votes, votes for wrong answers): ways
        for count in others:
            drawn: dict[tuple[int, int], int] = {}
            for (tied, cast), number in ways.items():
                for more in range(min(count, votes, k - votes - cast) + 1):
                    key = (tied + (more == votes), cast + more)
                    drawn[key] = drawn.get(key, 0) + number * comb(count, more)
            ways = drawn
        for (tied, cast), number in ways.items():
            rest = comb(silent, k - votes - cast)
            won += Fraction(comb(correct, votes) * number * rest, tied + 1)
    return float(won / comb(correct + sum(others) + silent, k))


def _require(samples: int, correct: int, k: int) -> None:
    if not (0 <= correct <= samples and 1 <= k <= samples):
        raise ValueError(f"of {samples} samples {correct} are correct and {k} drawn: give 0..n and 1..n")
