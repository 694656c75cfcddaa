"""A dataset of your own. Any function that returns rows works; a config names it as `examples.datasets:larger`."""

import random
from collections.abc import Iterator


def larger(count: int = 200, seed: int = 0) -> Iterator[dict[str, str]]:
    """Pairs of two-digit numbers, and which one is larger.

    A row is a dictionary of columns, which templates and rewards may name:

    >>> next(larger(seed=1))
    {'question': 'Which is larger, 27 or 82?', 'answer': '82', 'solution': '82 is larger than 27.'}

    Args:
        count: Rows. Set by `options` in the config, as is `seed`.
        seed: Rows that train and rows that are held out need different ones.
    """
    draw = random.Random(seed)
    for _ in range(count):
        first, second = draw.sample(range(10, 100), 2)
        high, low = max(first, second), min(first, second)
        yield {
            "question": f"Which is larger, {first} or {second}?",
            "answer": str(high),
            "solution": f"{high} is larger than {low}.",
        }
