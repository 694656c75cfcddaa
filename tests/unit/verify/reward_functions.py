"""Reward functions for the pool's tests: well-behaved ones, and every way to misbehave."""

import os
import time
from pathlib import Path
from typing import Any


def lengths(completions: list[str], **columns: Any) -> list[float | None]:
    return [float(len(text)) if text else None for text in completions]


def matches_column(completions: list[str], answer: list[str], bonus: float = 0.0) -> list[float]:
    """Names the one column it wants."""
    return [float(text == gold) + bonus for text, gold in zip(completions, answer, strict=True)]


def loops_in_c(completions: list[str], **columns: Any) -> list[float]:
    return [float(10**10**8) for _ in completions]


def misbehaves_on_request(completions: list[str], **columns: Any) -> list[float]:
    if "raise" in completions:
        raise ValueError("the column 'unit' is empty")
    return loops_in_c(completions) if "loop" in completions else [1.0] * len(completions)


def eats_memory(completions: list[str], **columns: Any) -> list[float]:
    hoard = [bytes(1 << 26) for _ in range(1000)]  # bit by bit, and not written to: that takes its time
    return [float(len(hoard))] * len(completions)


def kills_itself(completions: list[str], **columns: Any) -> list[float]:
    os.kill(os.getpid(), 9)
    return []


def kills_itself_once(completions: list[str], marker: list[str], **columns: Any) -> list[float]:
    path = Path(marker[0])
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), 9)
    return [1.0] * len(completions)


def exits(completions: list[str], **columns: Any) -> list[float]:
    raise SystemExit(3)


def raises(completions: list[str], **columns: Any) -> list[float]:
    raise ValueError("the column 'unit' is empty")


def too_few(completions: list[str], **columns: Any) -> list[float]:
    return [1.0] * (len(completions) - 1)


def not_numbers(completions: list[str], **columns: Any) -> list[Any]:
    return ["good" for _ in completions]


def not_finite(completions: list[str], **columns: Any) -> list[float]:
    return [float("nan") for _ in completions]


def nothing(completions: list[str], **columns: Any) -> None:
    return None


def sleeps(completions: list[str], seconds: float = 0.5, **columns: Any) -> list[float]:
    time.sleep(seconds)
    return [float(text) for text in completions]


_leaked = []


def leaks(completions, megabytes, **columns):
    _leaked.append(bytearray(megabytes << 20))
    return [float(completion) for completion in completions]
