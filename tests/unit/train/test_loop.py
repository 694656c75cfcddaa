"""A generator that does not sample from the learner's weights is found by its log-probabilities."""

import pytest

from rayrl.errors import SyncError
from rayrl.train.loop import SYNC_TOLERANCE, require_in_step
from rayrl.train.source import StepWork


@pytest.mark.parametrize(
    ("difference", "rounding", "on_policy", "found"),
    [
        (0.06, "bfloat16", True, False),
        (0.06, "float32", True, True),
        (0.9, "bfloat16", True, True),
        (0.9, "bfloat16", False, False),
    ],
)
def test_a_difference_that_rounding_does_not_explain_ends_the_run(
    difference: float, rounding: str, on_policy: bool, found: bool
) -> None:
    work = StepWork([], on_policy, dict)
    statistics, tolerance = {"sync/logprob_diff_mean": difference}, SYNC_TOLERANCE[rounding]
    if found:
        with pytest.raises(SyncError, match=rf"step 4 .* {difference:.2f} nats .*tolerance {tolerance}.*version 3"):
            require_in_step(statistics, work, 3, tolerance)
    else:
        require_in_step(statistics, work, 3, tolerance)
        require_in_step({}, work, 3, tolerance)
