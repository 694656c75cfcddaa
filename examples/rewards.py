"""A reward of your own. Any function of this shape works; a config names it as `examples.rewards:near`."""

import re
from typing import Any

NUMBER = re.compile(r"(?<!\d)-?\d{1,9}(?!\d)")
"""Of at most nine digits: a completion may hold anything, and what reads it stays cheap."""


def near(completions: list[str], answer: list[str], scale: float = 10.0, **columns: Any) -> list[float | None]:
    """1 for the right number, and less the further off: scale / (scale + distance).

    Args:
        completions: [G] completions of one prompt.
        answer: [G] the row's column `answer`, once for each completion.
        scale: The distance that earns one half. Set by `options` in the config.
        columns: [G] each, the row's other columns, and `completion_tokens`.

    Returns:
        [G] rewards. 0 for a completion without a number. None (no reward, counted) where the row's answer is none.
    """
    return [_near(text, gold, scale) for text, gold in zip(completions, answer, strict=True)]


def _near(text: str, gold: str, scale: float) -> float | None:
    if not NUMBER.fullmatch(gold):
        return None
    found = NUMBER.findall(text)
    return scale / (scale + abs(int(found[-1]) - int(gold))) if found else 0.0
