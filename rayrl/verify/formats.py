"""Reward functions for the shape of a completion. Called as any user's: `f(completions, **columns)`."""

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
