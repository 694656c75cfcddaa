"""A model on fixed texts against what the base said of them."""

from collections.abc import Sequence

import torch

from rayrl.divergence.token_kl import TokenDivergence, compare_tokens
from rayrl.errors import ModelError
from rayrl.learner.adapter import without_dropout
from rayrl.learner.batch import make_batch, sft_tree
from rayrl.learner.head import Head
from rayrl.learner.model import PolicyModule
from rayrl.learner.packing import bin_trees, split_over_ranks
from rayrl.types import Example


class BaseStates:
    """What a rank keeps of the base on the CPU: its last hidden states on the rank's share of the texts, and its head.

    All ranks get as many batches (the last ones may repeat a text), because a forward is a collective, as this is.

    Args:
        policy: The base.
        texts: Of which every token but the first is predicted.
        microbatch_tokens: Most tokens of one forward.
        device: Of the forwards.
        rank, world_size: Whose share it is.
    """

    def __init__(
        self,
        policy: PolicyModule,
        texts: Sequence[Example],
        microbatch_tokens: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        trees = [sft_tree([text], "all") for text in texts]
        shares = split_over_ranks(trees, world_size, microbatch_tokens)
        bins = [bin_trees([part.tree for part in share], microbatch_tokens) for share in shares]
        plans = [[[share[at].owner for at in one] for one in ones] for share, ones in zip(shares, bins, strict=True)]
        own = plans[rank] + [[0]] * (max(map(len, plans)) - len(plans[rank]))
        self._device = device
        self._sizes = [[trees[index].loss_tokens for index in part] for part in own]
        self._batches = [make_batch(trees, part) for part in own]
        self._hidden = self._states(policy)
        self._head = _moved(policy.head(), torch.device("cpu"))

    @torch.no_grad()
    def _states(self, policy: PolicyModule) -> list[torch.Tensor]:
        """Of each batch, [K, H] on the CPU."""
        with without_dropout(policy):
            return [policy.hidden(batch.to(self._device)).cpu() for batch in self._batches]

    @torch.no_grad()
    def compare(self, policy: PolicyModule) -> dict[int, TokenDivergence]:
        """How far `policy` is from the base on this rank's texts, by their index. A collective.

        Raises:
            ModelError: The vocabularies differ in size.
        """
        found: dict[int, TokenDivergence] = {}
        base_head = _moved(self._head, self._device)
        with without_dropout(policy):
            for batch, sizes, states in zip(self._batches, self._sizes, self._hidden, strict=True):
                tuned = policy.hidden(batch.to(self._device))
                head = policy.head()
                if len(head.weight) != len(base_head.weight):
                    raise ModelError(
                        f"the checkpoint has {len(head.weight)} tokens in its vocabulary and the base "
                        f"{len(base_head.weight)}: their distributions cannot be compared"
                    )
                parts = compare_tokens(states.to(self._device), base_head, tuned, head).split(sizes)
                found |= dict(zip(batch.trees, parts, strict=True))
        return found


def _moved(head: Head, device: torch.device) -> Head:
    """A copy of its own on the device."""
    bias = None if head.bias is None else head.bias.detach().to(device, copy=True)
    return Head(head.weight.detach().to(device, copy=True), bias, head.softcap)
