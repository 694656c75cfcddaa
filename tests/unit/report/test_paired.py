"""McNemar and bootstrap against values worked out elsewhere."""

import math

import pytest

from rayrl.report.paired import bootstrap_interval, mcnemar, paired_change


def test_mcnemar_exact() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(4, 4) == 1.0
    assert mcnemar(9, 2) == mcnemar(2, 9) == pytest.approx(2 * (1 + 11 + 55) / 2048)
    assert 0 <= mcnemar(3000, 100) < 1e-300 or mcnemar(3000, 100) == 0  # no overflow


def test_bootstrap_agrees_with_normal_theory() -> None:
    low, high = bootstrap_interval(40, 10, 200)
    half = 1.96 * math.sqrt((50 - 30**2 / 200) / 200**2)
    assert (low, high) == pytest.approx((0.15 - half, 0.15 + half), abs=0.012)
    assert bootstrap_interval(40, 10, 200) == (low, high)


def test_paired_change_leaves_out_what_is_not_scored_twice() -> None:
    before = {"a": False, "b": True, "c": True, "d": None, "e": True}
    after = {"a": True, "b": False, "c": True, "d": True, "f": True}
    paired = paired_change(before, after)
    assert paired is not None
    assert (paired.items, paired.gained, paired.lost, paired.unscored, paired.change) == (3, 1, 1, 3, 0.0)
    assert paired_change({"a": None}, {"a": True}) is None
    assert paired_change({}, {}) is None
