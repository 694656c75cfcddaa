"""A generator that does not sample from the learner's weights is found by its log-probabilities."""

import pytest

from rayrl.errors import SyncError
from rayrl.train.loop import SYNC_TOLERANCE, require_in_step
from rayrl.train.source import StepWork


@pytest.mark.parametrize(
    ("difference", "on_policy", "found"), [(0.05, True, False), (0.9, True, True), (0.9, False, False)]
)
def test_a_difference_that_rounding_does_not_explain_ends_the_run(
    difference: float, on_policy: bool, found: bool
) -> None:
    work = StepWork([], on_policy, dict)
    statistics = {"sync/logprob_diff_mean": difference}
    if found:
        with pytest.raises(
            SyncError, match=rf"step 4 .* {difference:.2f} nats .*tolerance {SYNC_TOLERANCE}.*version 3"
        ):
            require_in_step(statistics, work, 3)
    else:
        require_in_step(statistics, work, 3)
        require_in_step({}, work, 3)
