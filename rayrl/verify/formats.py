"""Reward functions for the shape and the length of a completion. Called as any user's: `f(completions, **columns)`."""

from typing import Any


def _is_think_answer(completion: str) -> bool:
    text = completion.strip()
    if any(text.count(tag) != 1 for tag in ("<think>", "</think>", "<answer>", "</answer>")):
        return False
    thought, separator, answer = text.partition("</think>\n<answer>")
    return (
        bool(separator)
        and thought.startswith("<think>")
        and answer.endswith("</answer>")
        and bool(thought.removeprefix("<think>").strip())
        and bool(answer.removesuffix("</answer>").strip())
    )


def think_answer(completions: list[str], **columns: Any) -> list[float | None]:
    """1.0 where the whole completion is `<think>…</think>`, a newline, `<answer>…</answer>`, neither empty; else 0.0.

    The format reward of arXiv:2507.10616 (weight 0.2 there). Newlines inside the tags are free; each tag stands once.
    """
    return [float(_is_think_answer(completion)) for completion in completions]


def soft_overlong(
    completions: list[str], completion_tokens: list[int], max_tokens: int, cache_tokens: int, **columns: Any
) -> list[float | None]:
    """DAPO's soft overlong punishment (arXiv:2503.14476, eq. 13), in [-1, 0].

    0 up to `max_tokens - cache_tokens` tokens, then falling linearly to -1 at `max_tokens` (usually that of
    `sampling`), and -1 beyond.

    Raises:
        ValueError: cache_tokens is not from 1 to max_tokens.
    """
    if not 1 <= cache_tokens <= max_tokens:
        raise ValueError(f"cache_tokens {cache_tokens} must be from 1 to max_tokens ({max_tokens})")
    start = max_tokens - cache_tokens
    return [max(-1.0, min(0, start - tokens) / cache_tokens) for tokens in completion_tokens]
