"""Intervals and tests against direct computation and against simulated truth."""

import itertools
import random
from statistics import fmean

import numpy as np
import pytest

from rayrl.intervals import wilson_interval
from rayrl.report.inference import difference, holm, share, sign_flip


def test_a_share_of_one_seed_has_wilsons_interval() -> None:
    found = share(np.array([1.0] * 30 + [0.0] * 70), seeds=1)
    assert (found.mean, found.items) == (0.3, 100)
    assert (found.low, found.high) == pytest.approx(wilson_interval(30, 100))


def test_seeds_that_agree_add_nothing_and_seeds_that_do_not_add_at_most_their_number() -> None:
    alike = share(np.array([1.0] * 30 + [0.0] * 70), seeds=4)
    assert (alike.low, alike.high) == pytest.approx(wilson_interval(30, 100))
    split = share(np.full(100, 0.5), seeds=4)
    assert (split.low, split.high) == pytest.approx(wilson_interval(200, 400))
    none = share(np.zeros(20), seeds=2)
    assert (none.low, none.high) == pytest.approx(wilson_interval(0, 20))


def test_the_shares_interval_covers_the_truth() -> None:
    """300 experiments of 120 items, 3 seeds whose answers to one item go together (mean chance 0.3)."""
    draw = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        chances = draw.beta(0.6, 1.4, 120)
        found = share(draw.binomial(3, chances) / 3, seeds=3)
        covered += found.low <= 0.3 <= found.high
    assert 0.92 <= covered / 300 <= 0.98


def test_the_bootstrap_agrees_with_drawing_items_one_by_one() -> None:
    generator = random.Random(3)
    values = [generator.choice([-1, -0.5, 0, 0, 0, 0.5, 0.5, 1]) for _ in range(150)]
    direct = sorted(fmean(generator.choices(values, k=150)) for _ in range(4000))
    found = difference([np.array(values)])
    assert found.mean == pytest.approx(fmean(values))
    assert found.low == pytest.approx(direct[100], abs=0.012)
    assert found.high == pytest.approx(direct[3900], abs=0.012)


def test_the_bootstrap_interval_covers_the_truth() -> None:
    """Two seeds an arm, the items' chances 0.05 apart."""
    draw = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        chances = draw.uniform(0.1, 0.8, 200)
        gained, before = draw.binomial(2, chances + 0.05) / 2, draw.binomial(2, chances) / 2
        found = difference([gained - before])
        covered += found.low <= 0.05 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (4, 4, 1.0),
        (5, 0, 2 / 32),
        (9, 2, 2 * (1 + 11 + 55) / 2048),
        (2, 9, 2 * (1 + 11 + 55) / 2048),
        (60, 0, 2 / 2**60),
        (3000, 100, 0.0),
    ],
)
def test_the_sign_flip_test_is_mcnemars_where_there_is_one_seed(gained: int, lost: int, p: float) -> None:
    assert sign_flip([1] * gained + [-1] * lost + [0] * 100) == pytest.approx(p, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    "values", [[1, 2, 1, -1, 2, 1, 2, -2, 1, 1, 2], [-3, -6, 0, 2, -4, -1, 0, 6, -6, -2], [5], [0, 0, 7, -7]]
)
def test_the_sign_flip_test_agrees_with_trying_every_sign(values: list[int]) -> None:
    signs = np.array(list(itertools.product((1, -1), repeat=len(values))))
    assert sign_flip(values) == pytest.approx((np.abs(signs @ values) >= abs(sum(values))).mean())


def test_no_difference_at_all() -> None:
    found = difference([np.zeros(50)])
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_benchmarks_weigh_alike_whatever_their_size() -> None:
    found = difference([np.full(10, 1.0), np.full(1000, 0.0)])
    assert found.mean == 0.5
    assert found.items == 1010


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_rejects_what_its_definition_rejects() -> None:
    generator = random.Random(1)
    for _ in range(200):
        p_values = [generator.random() ** 4 for _ in range(6)]
        rejected = set()
        for rank, p in enumerate(sorted(p_values)):
            if p > 0.05 / (6 - rank):
                break
            rejected.add(p)
        assert {p for p, q in zip(p_values, holm(p_values), strict=True) if q <= 0.05} == rejected
