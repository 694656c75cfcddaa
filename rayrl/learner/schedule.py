"""The learning rate as a pure function of the update's number."""

import math

from rayrl.config import LearnerSettings


def learning_rate(update: int, total_updates: int, settings: LearnerSettings) -> float:
    """Rate of update 0, 1, … of `total_updates`: rises linearly over the warm-up, whose last update has the peak."""
    warmup = math.ceil(settings.warmup_fraction * total_updates)
    if update < warmup:
        return settings.learning_rate * (update + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    left = max(0.0, (total_updates - update) / max(1, total_updates - warmup))
    if settings.schedule == "linear":
        return settings.learning_rate * left
    return settings.learning_rate * 0.5 * (1 - math.cos(math.pi * left))
