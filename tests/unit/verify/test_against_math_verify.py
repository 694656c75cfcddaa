"""The differential test: never worse than the library that the maths verifier wraps."""

from pathlib import Path

import pytest

from tests.benchmarks.against_math_verify import judge
from tests.benchmarks.maths_pairs import pairs

DATA = Path(__file__).parents[4] / "shared/data/maths"


@pytest.fixture(scope="module")
def judged():
    if not DATA.is_dir():
        pytest.skip(f"the published golds are not here ({DATA})")
    return judge(pairs(DATA, every=17))


def test_there_are_enough_pairs_of_enough_kinds(judged):
    assert len(judged) >= 2000
    assert len({row.pair.wrapping for row in judged}) >= 25
    assert 0.4 < sum(row.pair.right for row in judged) / len(judged) < 0.6


def test_the_verdict_is_math_verifys(judged):
    assert sum(row.ours == row.theirs for row in judged) >= 0.99 * len(judged)


def test_no_wrong_response_is_rewarded_that_math_verify_refuses(judged):
    assert [row for row in judged if row.ours and not row.theirs and not row.pair.right] == []
    assert sum(row.ours == row.pair.right for row in judged) >= sum(row.theirs == row.pair.right for row in judged)
