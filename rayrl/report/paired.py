"""Two evaluations of the same held-out problems, compared problem by problem."""

from dataclasses import dataclass

import numpy as np

from rayrl.report.inference import Difference, difference, sign_flip, whole_differences
from rayrl.report.results import Scores


@dataclass(frozen=True, slots=True)
class PairedChange:
    """`unscored` counts the problems that are not scored in both evaluations; `gained` and `lost` those that got better
    and worse. `p_value`: of the exact sign-flip test over problems; with one sample a problem it is McNemar's."""

    difference: Difference
    gained: int
    lost: int
    unscored: int
    p_value: float


def paired_change(before: Scores, after: Scores) -> PairedChange | None:
    """After minus before. None where no problem is scored in both."""
    both = ((was, after.get(problem)) for problem, was in before.items())
    changes = [now - was for was, now in both if was is not None and now is not None]
    if not changes:
        return None
    unscored = len(before.keys() | after.keys()) - len(changes)
    values = np.array(changes, float)
    better, worse = (int(np.count_nonzero(values * sign > 0)) for sign in (1, -1))
    return PairedChange(difference([values]), better, worse, unscored, sign_flip(whole_differences(values)))
