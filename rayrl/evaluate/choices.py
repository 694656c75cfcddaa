"""Multiple choice by likelihood: no completion is read, so that knowledge is told from the form of an answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rayrl.config.evaluation import Method
from rayrl.rollout_row import EvaluationRow
from rayrl.types import Prompt, Score

LETTERS = "ABCDEFGHIJ"


def likelihood_prompt(prompt: Prompt, method: Method, encode: Callable[[str], list[int]], longest: int) -> Prompt:
    """The prompt with the tokens of what may follow it: its options' letters, or the options themselves.

    Args:
        prompt: Its row has `choices`, and the letter of the right one as `answer`.
        method: `likelihood_letter` or `likelihood_option`.
        encode: Text -> token ids, adding none.
        longest: Tokens of a continuation.

    Raises:
        ValueError: With what is wrong with the row.
    """
    options, gold = prompt.columns.get("choices"), str(prompt.columns["answer"]).strip()
    if not isinstance(options, list) or not all(isinstance(one, str) and one.strip() for one in options):
        raise ValueError("its column 'choices' is no list of texts")
    if gold not in LETTERS[: len(options)] or len(gold) != 1:
        raise ValueError(f"its answer {gold[:60]!r} is not the letter of one of {len(options)} choices")
    texts = options if method == "likelihood_option" else list(LETTERS[: len(options)])
    continuations = [_following(prompt, text, encode) for text in texts]
    if (most := max(map(len, continuations))) > longest:
        raise ValueError(f"an option of {most} tokens is longer than max_tokens ({longest})")
    return replace(prompt, continuations=continuations)


def _following(prompt: Prompt, text: str, encode: Callable[[str], list[int]]) -> list[int]:
    """Its tokens as they follow the prompt's."""
    whole, before = encode(prompt.text + text), len(prompt.token_ids)
    return whole[before:] if whole[:before] == prompt.token_ids and len(whole) > before else encode(text)


def choice_row(prompt: Prompt, method: Method, scores: Sequence[Score]) -> EvaluationRow:
    """The row of a problem whose most probable choice is its answer; of two alike the first. Options are compared by
    log-probability over their characters (lm-eval's `acc_norm`), letters by log-probability."""
    options = [str(one) for one in prompt.columns["choices"]]
    sizes = [len(one) for one in options] if method == "likelihood_option" else [1] * len(options)
    values = [score.total / size for score, size in zip(scores, sizes, strict=True)]
    best = max(range(len(values)), key=values.__getitem__)
    gold = str(prompt.columns["answer"]).strip()
    correct = LETTERS[best] == gold
    unit = "a character of the option" if method == "likelihood_option" else "the letter"
    said = ", ".join(f"{letter} {value:.3f}" for letter, value in zip(LETTERS, values, strict=False))
    return {
        "prompt_id": prompt.id,
        "prompt": prompt.columns.get("question"),
        "gold": prompt.columns["answer"],
        "completion": options[best] if method == "likelihood_option" else LETTERS[best],
        "status": "correct" if correct else "incorrect",
        "extracted": LETTERS[best],
        "reason": f"log-probability of {unit}: {said}",
        "decided_by": "rules",
        "tokens": 0,
        "finish_reason": "stop",
        "sample": 0,
        "score": float(correct),
    }
