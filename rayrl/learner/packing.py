"""What goes where: deterministic, so that every rank can work out the same parts and bins from the same trees."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from rayrl.learner.batch import Tree, cut

SLACK = 1.05  # what the fullest rank may hold, of an equal share and of what it would with cuts, before trees are cut


@dataclass(frozen=True, slots=True)
class Part:
    """A tree, or some of its rows."""

    tree: Tree
    owner: int
    """Index of the tree that it is of."""
    place: tuple[int, ...] = ()
    """Sorts the parts of one tree."""


def bin_trees(trees: Sequence[Tree], microbatch_tokens: int) -> list[list[int]]:
    """First-fit-decreasing bins of tree indices. A tree above `microbatch_tokens` gets a bin of its own."""
    bins: list[list[int]] = []
    free: list[int] = []
    for index in sorted(range(len(trees)), key=lambda index: (-trees[index].tokens, index)):
        need = trees[index].tokens
        for position, room in enumerate(free):
            if need <= room:
                bins[position].append(index)
                free[position] -= need
                break
        else:
            bins.append([index])
            free.append(microbatch_tokens - need)
    return bins


def split_over_ranks(trees: Sequence[Tree], world_size: int, budget: int) -> list[list[Part]]:
    """The parts of each rank: trees, cut to `budget` tokens, and further where that makes the fullest rank
    lighter by SLACK.

    The weight of each token is set before (`objectives.weigh`), so cuts change what is computed twice, but no sum.
    """
    parts = [
        Part(part, owner, (place,)) for owner, tree in enumerate(trees) for place, part in enumerate(cut(tree, budget))
    ]
    whole, balanced = _shares(parts, world_size, cuts=False), _shares(parts, world_size, cuts=True)
    heaviest, cut_heaviest = (max(map(_tokens, shares)) for shares in (whole, balanced))
    return whole if heaviest <= SLACK * cut_heaviest else balanced


def _shares(parts: Sequence[Part], world_size: int, cuts: bool) -> list[list[Part]]:
    """The largest part left goes to the rank with the fewest tokens, with `cuts` up to about an equal share."""
    shares: list[list[Part]] = [[] for _ in range(world_size)]
    loads = [(0, rank) for rank in range(world_size)]
    queue = [(-part.tree.tokens, part.owner, part.place, part) for part in parts]
    heapq.heapify(queue)
    total = _tokens(parts)  # placed or not
    while queue:
        *_, part = heapq.heappop(queue)
        load, rank = heapq.heappop(loads)
        tree, rest = part.tree, []
        room = int(SLACK * total / world_size) - load
        if cuts and tree.tokens > room:
            tree, *rest = cut(tree, int(total / world_size) - load, cuts=1)
        if rest:
            total += tree.tokens + rest[0].tokens - part.tree.tokens
            left = Part(rest[0], part.owner, (*part.place, 1))
            part = Part(tree, part.owner, (*part.place, 0))
            heapq.heappush(queue, (-left.tree.tokens, left.owner, left.place, left))
        shares[rank].append(part)
        heapq.heappush(loads, (load + part.tree.tokens, rank))
    return shares


def _tokens(parts: Sequence[Part]) -> int:
    return sum(part.tree.tokens for part in parts)
