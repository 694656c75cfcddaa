"""Reward functions as a user writes them."""

from typing import Any


def digits(completions: list[str], **columns: Any) -> list[float | None]:
    """Share of digits: dense enough to learn from at once."""
    return [sum(c.isdigit() for c in text) / max(1, len(text)) for text in completions]


def raises(completions: list[str], **columns: Any) -> list[float | None]:
    raise KeyError("no column 'solution'")


def nothing(completions: list[str], **columns: Any) -> list[float | None]:
    return [None] * len(completions)


def any_digit(completions: list[str], **columns: Any) -> list[float | None]:
    """1 where there is a digit, else 0: a score that models differ in."""
    return [float(any(c.isdigit() for c in text)) for text in completions]
