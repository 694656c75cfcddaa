"""Two evaluations of the same problems, against values worked out elsewhere."""

import math

import pytest

from rayrl.report.inference import sign_flip
from rayrl.report.paired import paired_change


def test_the_interval_agrees_with_normal_theory() -> None:
    before = {str(item): item < 10 for item in range(200)}
    after = {str(item): 10 <= item < 50 for item in range(200)}
    paired = paired_change(before, after)
    assert paired is not None
    half = 1.96 * math.sqrt((50 - 30**2 / 200) / 200**2)
    assert (paired.gained, paired.lost, paired.difference.mean) == (40, 10, pytest.approx(0.15))
    assert (paired.difference.low, paired.difference.high) == pytest.approx((0.15 - half, 0.15 + half), abs=0.012)
    assert paired.p_value == pytest.approx(sign_flip([1] * 40 + [-1] * 10))


def test_paired_change_leaves_out_what_is_not_scored_twice() -> None:
    before = {"a": False, "b": True, "c": True, "d": None, "e": True}
    after = {"a": True, "b": False, "c": True, "d": True, "f": True}
    paired = paired_change(before, after)
    assert paired is not None
    assert (paired.difference.items, paired.gained, paired.lost, paired.unscored) == (3, 1, 1, 3)
    assert (paired.difference.mean, paired.p_value) == (0.0, pytest.approx(1.0))
    assert paired_change({"a": None}, {"a": True}) is None
    assert paired_change({}, {}) is None
