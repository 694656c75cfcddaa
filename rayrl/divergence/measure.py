"""A model on fixed texts against what the base said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rayrl.divergence.kl import TokenDivergence, token_divergence
from rayrl.errors import ModelError
from rayrl.learner.adapter import without_dropout
from rayrl.learner.batch import Batch, Tree, make_batch, sft_tree
from rayrl.learner.head import Head
from rayrl.learner.model import PolicyModule
from rayrl.learner.packing import plan, split_over_ranks
from rayrl.types import Example


@dataclass(frozen=True, slots=True)
class BaseStates:
    """What a rank keeps of the base: its share of the texts, their last hidden states, and the head. On the CPU."""

    batches: list[Batch]
    sizes: list[list[int]]  # of each batch: the predicted tokens of each of its texts
    hidden: list[torch.Tensor]  # of each batch: [K, H]
    head: Head


def text_batches(
    texts: Sequence[Example], microbatch_tokens: int, rank: int = 0, world_size: int = 1
) -> tuple[list[Batch], list[list[int]]]:
    """A rank's share of the texts, every token but the first predicted, and the tokens of each text in each batch.

    All ranks get as many batches (the last ones may repeat a text), because a forward is a collective.
    """
    trees: list[Tree] = [sft_tree([text], "all") for text in texts]
    plans = [plan(trees, part, microbatch_tokens) for part in split_over_ranks(trees, world_size)]
    own = plans[rank] + [[0]] * (max(map(len, plans)) - len(plans[rank]))
    return [make_batch(trees, part) for part in own], [[trees[index].loss_tokens for index in part] for part in own]


@torch.no_grad()
def remember(policy: PolicyModule, batches: list[Batch], sizes: list[list[int]], device: torch.device) -> BaseStates:
    """What `policy`, which is the base now, says. A collective."""
    with without_dropout(policy):
        hidden = [policy.hidden(batch.to(device)).cpu() for batch in batches]
    return BaseStates(batches, sizes, hidden, _moved(policy.head(), torch.device("cpu")))


@torch.no_grad()
def diverged(policy: PolicyModule, base: BaseStates, device: torch.device) -> dict[int, TokenDivergence]:
    """How far `policy` is from the base on this rank's texts, by their index. A collective.

    Raises:
        ModelError: The vocabularies differ in size.
    """
    found: dict[int, TokenDivergence] = {}
    base_head = _moved(base.head, device)
    with without_dropout(policy):
        for batch, sizes, states in zip(base.batches, base.sizes, base.hidden, strict=True):
            tuned = policy.hidden(batch.to(device))
            head = policy.head()
            if len(head.weight) != len(base_head.weight):
                raise ModelError(
                    f"the checkpoint has {len(head.weight)} tokens in its vocabulary and the base "
                    f"{len(base_head.weight)}: their distributions cannot be compared"
                )
            parts = token_divergence(states.to(device), base_head, tuned, head).split(sizes)
            found |= dict(zip(batch.trees, parts, strict=True))
    return found


def _moved(head: Head, device: torch.device) -> Head:
    """A copy of its own on the device."""
    bias = None if head.bias is None else head.bias.detach().to(device, copy=True)
    return Head(head.weight.detach().to(device, copy=True), bias, head.softcap)
