"""How long a call takes, told from how long this machine stood still."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def lowest_cpu_seconds(call: Callable[[], Result], under: float, tries: int = 3) -> tuple[float, Result]:
    """The fewest CPU seconds that a call took, and its result: asked again, up to `tries` times, until below `under`.

    A collection of this process' garbage or a busy machine makes one call slow; a pattern that runs away makes all.
    """
    lowest = float("inf")
    for _ in range(tries):
        started = time.process_time()
        result = call()
        lowest = min(lowest, time.process_time() - started)
        if lowest < under:
            break
    return lowest, result
