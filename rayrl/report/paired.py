"""Two evaluations of the same held-out problems, compared problem by problem."""

from dataclasses import dataclass

import numpy as np

from rayrl.report.inference import Difference, difference, sign_flip
from rayrl.report.results import Scores


@dataclass(frozen=True, slots=True)
class PairedChange:
    """`unscored` counts the problems that are not scored in both evaluations. `p_value`: McNemar's, exact."""

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
    found = difference([np.array(changes, float)])
    return PairedChange(found, changes.count(1), changes.count(-1), unscored, sign_flip(changes))
