"""Divergences of tokens -> a row of divergence.jsonl."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from statistics import fmean
from typing import Any

import torch

from rayrl.divergence.token_kl import TokenDivergence
from rayrl.types import Example

TENTHS = 10
FIGURES = [field.name for field in fields(TokenDivergence)]


def divergence_row(
    checkpoint: str | int, step: int | None, name: str, texts: Sequence[Example], found: Sequence[TokenDivergence]
) -> dict[str, Any]:
    """One checkpoint on one set of texts; all in nats a token.

    Means are over the tokens of a text (all but its first, which nothing predicts), then over texts
    (arXiv:2507.10616); those of parts of texts are over all tokens there:

    - by_position: tenths of each text, 0 its beginning and 1 its end.
    - by_token: places counted in tokens from the beginning, in ranges that double.
    - by_part: the prompt, and the reference answer.
    """
    return {
        "checkpoint": checkpoint,
        "step": step,
        "set": name,
        "items": len(texts),
        "tokens": sum(len(item.forward_kl) for item in found),
        **{figure: fmean(float(getattr(item, figure).mean()) for item in found) for figure in FIGURES},
        "per_item": [float(item.forward_kl.mean()) for item in found],
        "per_item_reverse": [float(item.reverse_kl.mean()) for item in found],
        "by_position": list(_by_position(found)),
        "by_token": list(_by_token(found)),
        "by_part": dict(_by_part(texts, found)),
    }


def token_rows(
    checkpoint: str, step: int | None, name: str, texts: Sequence[Example], found: Sequence[TokenDivergence]
) -> Iterator[dict[str, Any]]:
    """A row a text. Entry i of each list is of the distribution that predicts `token_ids[i + 1]`."""
    for index, (text, item) in enumerate(zip(texts, found, strict=True)):
        about = {"checkpoint": checkpoint, "step": step, "set": name, "item": index, "token_ids": text.token_ids}
        yield about | {figure: getattr(item, figure).tolist() for figure in FIGURES}


def _by_position(found: Sequence[TokenDivergence]) -> Iterator[dict[str, Any]]:
    bins = torch.cat([torch.arange(len(item.forward_kl)) * TENTHS // len(item.forward_kl) for item in found])
    values = torch.cat([item.forward_kl for item in found])
    for tenth in range(TENTHS):
        yield {"from": tenth / TENTHS, "to": (tenth + 1) / TENTHS} | _part(values[bins == tenth])


def _by_token(found: Sequence[TokenDivergence]) -> Iterator[dict[str, Any]]:
    longest = max(len(item.forward_kl) for item in found)
    start, end = 0, 32
    while start < longest:
        yield {"from": start, "to": end} | _part(torch.cat([item.forward_kl[start:end] for item in found]))
        start, end = end, 2 * end


def _by_part(texts: Sequence[Example], found: Sequence[TokenDivergence]) -> Iterator[tuple[str, dict[str, Any]]]:
    answers = torch.cat([torch.tensor(text.loss_mask[1:], dtype=torch.bool) for text in texts])
    values = torch.cat([item.forward_kl for item in found])
    yield "prompt", _part(values[~answers])
    yield "answer", _part(values[answers])


def _part(values: torch.Tensor) -> dict[str, Any]:
    """None where the part has no token."""
    return {"forward_kl": float(values.double().mean()) if len(values) else None, "tokens": len(values)}
