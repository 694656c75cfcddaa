"""Which tree goes where: deterministic, so that every rank can work out the same bins from the same trees."""

from collections.abc import Sequence

from rayrl.learner.batch import Batch, Tree, make_batch


def _largest_first(trees: Sequence[Tree], indices: Sequence[int]) -> list[int]:
    return sorted(indices, key=lambda index: (-trees[index].tokens, index))


def bin_trees(trees: Sequence[Tree], indices: Sequence[int], microbatch_tokens: int) -> list[list[int]]:
    """First-fit-decreasing bins of tree indices. A tree above `microbatch_tokens` gets a bin of its own."""
    bins: list[list[int]] = []
    free: list[int] = []
    for index in _largest_first(trees, indices):
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


def pack(trees: Sequence[Tree], microbatch_tokens: int) -> list[Batch]:
    """All trees in rows of at most `microbatch_tokens` tokens where they fit."""
    return [make_batch(trees, indices) for indices in bin_trees(trees, range(len(trees)), microbatch_tokens)]


def split_over_ranks(trees: Sequence[Tree], world_size: int) -> list[list[int]]:
    """Tree indices of each rank: the largest tree left goes to the rank with the fewest tokens."""
    parts: list[list[int]] = [[] for _ in range(world_size)]
    loads = [0] * world_size
    for index in _largest_first(trees, range(len(trees))):
        rank = loads.index(min(loads))
        parts[rank].append(index)
        loads[rank] += trees[index].tokens
    return parts
