"""Rows made one at a time. Imports nothing, so that a process of its own starts at once."""

from collections.abc import Iterator


def many(count: int) -> Iterator[dict[str, str]]:
    """Of 500 characters each."""
    return ({"question": f"{n} " * 20, "answer": "a" * 450} for n in range(count))
