"""KL divergence between two models' next-token distributions, over the whole vocabulary, in chunks of tokens."""

from dataclasses import dataclass, fields

import torch

from rayrl.learner.head import Head, chunks, head_logits, logits_at_once


@dataclass(frozen=True, slots=True)
class TokenDivergence:
    """Of each position, in nats."""

    forward_kl: torch.Tensor  # [K] KL(base || tuned)
    reverse_kl: torch.Tensor  # [K] KL(tuned || base)
    base_entropy: torch.Tensor  # [K]
    entropy: torch.Tensor  # [K] of the tuned model

    def split(self, sizes: list[int]) -> list["TokenDivergence"]:
        """Parts of these lengths."""
        columns = [getattr(self, field.name).split(sizes) for field in fields(self)]
        return [TokenDivergence(*parts) for parts in zip(*columns, strict=True)]


@torch.no_grad()
def compare_tokens(base: torch.Tensor, base_head: Head, tuned: torch.Tensor, head: Head) -> TokenDivergence:
    """Of the distributions that two heads make of two models' last hidden states, at temperature 1.

    At most `logits_at_once` logits of each exist at a time, in float32 (float64 of float64).

    Args:
        base, tuned: [K, H], on the device of the heads.
        base_head, head: Of one vocabulary.

    Returns:
        Tensors on the CPU.
    """
    found: list[torch.Tensor] = []
    for rows in chunks(len(base), len(head.weight), logits_at_once(base)):
        log_p = head_logits(base[rows], base_head.weight, base_head.bias, 1.0, base_head.softcap).log_softmax(-1)
        log_q = head_logits(tuned[rows], head.weight, head.bias, 1.0, head.softcap).log_softmax(-1)
        p, q = log_p.exp(), log_q.exp()
        difference = log_p - log_q
        figures = [(p, difference), (q, -difference), (p, -log_p), (q, -log_q)]
        found.append(torch.stack([torch.linalg.vecdot(*pair) for pair in figures]).cpu())
    return TokenDivergence(*torch.cat(found, 1))
