"""The first row of the training data as the model sees it: shown with the plan, so that a wrong template is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from rayrl.types import Example, Prompt

MAX_LINES = 20
MAX_CHARACTERS = 1500

S = TypeVar("S", str, list[str])


@dataclass(frozen=True, slots=True)
class FirstRow:
    """A prompt or an example, decoded from its tokens, special ones included.

    pieces: its text, each piece with whether SFT learns it. answer: the reference answer of a prompt; None in SFT.
    """

    name: str
    tokens: int
    learned_tokens: int
    pieces: list[tuple[str, bool]]
    answer: str | None = None

    def __str__(self) -> str:
        """A head, the text in a margin (`>`: learned), the reference answer. Long texts lack their middle."""
        if self.answer is None:
            head = f"first example, {self.name}: {self.tokens} tokens, {self.learned_tokens} of them learned (>)"
            tail = []
        else:
            head = f"first prompt, {self.name}: {self.tokens} tokens"
            tail = [f"reference answer: {_without_middle(_printable(self.answer), MAX_CHARACTERS // 10)}"]
        lines = [
            f"  {'>' if learned else '|'} {_printable(line)}"
            for text, learned in self.pieces
            for line in text.removesuffix("\n").split("\n")
        ]
        lines = _without_middle(lines, MAX_LINES)
        if sum(map(len, lines)) > MAX_CHARACTERS:
            lines = [_without_middle(line, MAX_CHARACTERS // len(lines)) for line in lines]
        return "\n".join([head, *lines, *tail])


def first_prompt(prompt: Prompt, tokenizer: Any) -> FirstRow:
    """Of a training prompt, with its answer."""
    text = _decoded(tokenizer, prompt.token_ids)
    return FirstRow(prompt.id, len(prompt.token_ids), 0, [(text, False)], str(prompt.columns["answer"]))


def first_example(example: Example, tokenizer: Any) -> FirstRow:
    """Of an example, in pieces that are learned and pieces that are not."""
    marked = zip(example.token_ids, example.loss_mask, strict=True)
    runs = [([token for token, _ in run], learned) for learned, run in groupby(marked, key=lambda one: one[1])]
    pieces = [(_decoded(tokenizer, ids), learned) for ids, learned in runs]
    return FirstRow(example.id, len(example.token_ids), sum(example.loss_mask), pieces)


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _printable(line: str) -> str:
    """Rows are untrusted: control characters could rewrite the terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def _without_middle(whole: S, most: int) -> S:
    """The first and last of a text's characters or a list's lines, where there are more than `most`."""
    if len(whole) <= most:
        return whole
    half: int = max(1, most // 2)
    if isinstance(whole, str):
        return f"{whole[:half]} … {len(whole) - 2 * half} characters … {whole[-half:]}"
    return [*whole[:half], f"    … {len(whole) - 2 * half} lines …", *whole[-half:]]
