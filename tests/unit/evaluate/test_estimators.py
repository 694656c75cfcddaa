"""pass@k and maj@k against the closed formula and against every way to choose k of n."""

from collections import Counter
from itertools import combinations, product
from math import comb
from statistics import fmean

import pytest

from rayrl.evaluate.estimators import majority_at_k, pass_at_k


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_is_the_closed_formula_and_the_share_of_all_choices(n: int) -> None:
    for c, k in product(range(n + 1), range(1, n + 1)):
        found = pass_at_k(n, c, k)
        assert found == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-12), (c, k)
        every = fmean(any(i < c for i in chosen) for chosen in combinations(range(n), k))
        assert found == pytest.approx(every, abs=1e-12), (c, k)


def test_pass_at_k_of_many_samples_is_as_exact_as_whole_numbers() -> None:
    for n, c, k in [(10_000, 3, 1), (10_000, 3, 5_000), (4096, 1, 4096), (4096, 4095, 2)]:
        assert pass_at_k(n, c, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), rel=1e-11)
    assert pass_at_k(64, 0, 64) == 0.0


def by_every_choice(answers: str, k: int) -> float:
    """R: the right answer, a space: none. Each of the answers that lead is drawn alike."""
    won = []
    for chosen in combinations(answers, k):
        votes = Counter(one for one in chosen if one != " ")
        leading = [one for one, count in votes.items() if count == max(votes.values())]
        won.append(leading.count("R") / len(leading) if leading else 0.0)
    return fmean(won)


@pytest.mark.parametrize(
    "answers", ["R", "a", " ", "Ra", "R ", "RRab", "Raab", "RRaabb", "RRaabbc  ", "RRRaaabb ", "aabbc", "Rabcdefg"]
)
def test_majority_is_the_mean_over_every_choice(answers: str) -> None:
    counts = Counter(answers)
    right, silent = counts.pop("R", 0), counts.pop(" ", 0)
    for k in range(1, len(answers) + 1):
        found = majority_at_k(right, list(counts.values()), silent, k)
        assert found == pytest.approx(by_every_choice(answers, k), abs=1e-12), k


def test_one_drawn_is_the_share_of_right_answers() -> None:
    assert majority_at_k(3, [2, 2], 1, 1) == pass_at_k(8, 3, 1) == 3 / 8


@pytest.mark.parametrize("k", [0, 5])
def test_k_beyond_the_samples_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="of 4 samples"):
        pass_at_k(4, 1, k)
    with pytest.raises(ValueError, match="of 4 samples"):
        majority_at_k(1, [3], 0, k)
