"""Forests of segments and how they are packed into rows.

A tree is one prompt with its completions as children, or supervised examples with what they begin with in common. A
token sees its own segment causally and its ancestors in full. Segments lie in depth-first order, so `subtree_end`
alone tells who sees whom.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate, compress, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from rayrl.types import Example, RolloutGroup, WithArrays

Values = Sequence[float] | npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Segment(WithArrays):
    """A run of tokens below its parent. What is per token, lists or arrays, is aligned with `token_ids` [T]."""

    token_ids: Values
    loss_mask: Values
    parent: int = -1  # index in the tree; -1: root
    advantage: float = 0.0
    generator_logprobs: Values | None = None
    old_logprobs: Values | None = None  # by the learner before this step's first update
    reference_logprobs: Values | None = None  # by the model that training started from
    weight: float = 0.0  # of each loss token in the summed loss; set by objectives.weigh

    @property
    def loss_tokens(self) -> int:
        return int(np.count_nonzero(self.loss_mask))


@dataclass(frozen=True, slots=True)
class Tree:
    """Segments in depth-first order, the root first.

    Raises:
        ValueError: Empty segments, lists of unequal length, another order, or a loss on the root's first token,
            which nothing predicts.
    """

    segments: list[Segment]

    def __post_init__(self) -> None:
        path: list[int] = []
        for index, segment in enumerate(self.segments):
            logprobs = (segment.generator_logprobs, segment.old_logprobs, segment.reference_logprobs)
            lists = (segment.loss_mask, *logprobs)
            if any(values is not None and len(values) != len(segment.token_ids) for values in lists):
                raise ValueError(f"segment {index}: loss_mask and logprobs must be as long as token_ids")
            if not len(segment.token_ids):
                raise ValueError(f"segment {index} is empty")
            while path and path[-1] != segment.parent:
                path.pop()
            if bool(path) != (index > 0):
                raise ValueError(f"segment {index}: parent {segment.parent} breaks depth-first order")
            path.append(index)
        if not self.segments or self.segments[0].parent != -1:
            raise ValueError("a tree starts with a root (parent -1)")
        if self.segments[0].loss_mask[0]:
            raise ValueError("a root's first token is predicted by nothing and cannot bear a loss")

    @property
    def tokens(self) -> int:
        return sum(len(segment.token_ids) for segment in self.segments)

    @property
    def loss_tokens(self) -> int:
        return sum(segment.loss_tokens for segment in self.segments)

    def rows(self) -> list[list[int]]:
        """The plain rows that the tree stands for: the segments of each path from the root to a leaf, in order."""
        parents = {segment.parent for segment in self.segments}
        rows = []
        for index in range(len(self.segments)):
            if index not in parents:
                path = [index]
                while (parent := self.segments[path[0]].parent) != -1:
                    path.insert(0, parent)
                rows.append(path)
        return rows


def grpo_tree(group: RolloutGroup, advantages: Sequence[float], keep: Sequence[bool]) -> Tree:
    """The prompt as a root without loss, and below it each completion whose `keep` [G] is True."""
    prompt = group.prompt.token_ids
    segments = [Segment(prompt, [False] * len(prompt))]
    for rollout, advantage, kept in zip(group.rollouts, advantages, keep, strict=True):
        if kept and len(rollout.token_ids):
            mask = np.ones(len(rollout.token_ids), np.bool_)
            segments.append(Segment(rollout.token_ids, mask, 0, advantage, rollout.logprobs))
    return Tree(segments)


def sft_tree(examples: Sequence[Example], loss: Literal["answers", "all"] = "answers") -> Tree:
    """Supervised rows as one tree: what several begin with is laid out, and computed, once.

    One example is one root; a prompt with several completions is a root and leaves; questions on one context become
    context -> questions -> answers. Each row's last token is a leaf of its own, so that the rows of the tree are the
    examples, and a loss token that several rows share counts once for each (`objectives.weigh`).

    Args:
        examples: At least one; all begin with the same token.
        loss: Where the loss is: `answers`, where their `loss_mask` is True; `all`, everywhere. Never on the first
            token, which nothing predicts.

    Raises:
        ValueError: No example, one of fewer than two tokens, or first tokens that differ.
    """
    if len({tuple(example.token_ids[:1]) for example in examples}) != 1 or min(len(e.token_ids) for e in examples) < 2:
        raise ValueError("a tree needs examples of two tokens or more that begin with the same token")
    segments: list[Segment] = []

    def grow(rows: list[list[tuple[int, bool]]], parent: int) -> None:
        """Adds a segment of what `rows` begin with, at least one token, and below it what follows."""
        shared = len(rows[0])
        if len(rows) > 1:
            last = min(map(len, rows)) - 1
            shared = next((at for at in range(last) if len({row[at] for row in rows}) > 1), last)
        ids, mask = zip(*rows[0][:shared], strict=True)
        segments.append(Segment(list(ids), list(mask), parent))
        own = len(segments) - 1
        below: dict[object, list[list[tuple[int, bool]]]] = {}
        for index, row in enumerate(rows):
            if rest := row[shared:]:
                below.setdefault(index if len(rest) == 1 else rest[0], []).append(rest)
        for group in below.values():
            grow(group, own)

    masks = [[False, *(m or loss == "all" for m in example.loss_mask[1:])] for example in examples]
    grow([list(zip(e.token_ids, mask, strict=True)) for e, mask in zip(examples, masks, strict=True)], -1)
    return Tree(segments)


def cut(tree: Tree, budget: int, cuts: int | None = None) -> list[Tree]:
    """The rows of a tree that bear a loss, in order, as trees of at most `budget` tokens; one row is never cut.

    What rows of two parts begin with is laid out in both. A loss that they share stays in the first alone: sums over
    loss tokens, and their order, do not change. With a budget of 0 each row becomes a chain of its own.

    Args:
        tree: Returned as it is where it fits.
        budget: Tokens.
        cuts: At most this many; the last part holds all that is left, whatever its size. None: as many as it takes.
    """
    if tree.tokens <= budget:
        return [tree]
    parts: list[set[int]] = [set()]  # segments
    unborne = {index for index, segment in enumerate(tree.segments) if segment.loss_tokens}
    size = 0

    def added(path: list[int]) -> int:
        return sum(len(tree.segments[at].token_ids) for at in path if at not in parts[-1])

    for path in tree.rows():
        if unborne.isdisjoint(path):
            continue
        unborne.difference_update(path)
        if size and size + added(path) > budget and len(parts) - 1 != cuts:
            parts.append(set())
            size = 0
        size += added(path)
        parts[-1].update(path)
    seen: set[int] = set()
    trees = []
    for part in map(sorted, parts):
        places = {index: place for place, index in enumerate(part)} | {-1: -1}
        segments = [replace(tree.segments[at], parent=places[tree.segments[at].parent]) for at in part]
        trees.append(Tree([_silent(one) if at in seen else one for at, one in zip(part, segments, strict=True)]))
        seen.update(part)
    return trees


def _silent(segment: Segment) -> Segment:
    return replace(segment, loss_mask=np.zeros(len(segment.token_ids), np.bool_))


def with_logprobs(
    trees: Sequence[Tree], logprobs: Sequence[Sequence[float]], name: Literal["old_logprobs", "reference_logprobs"]
) -> list[Tree]:
    """The trees with what `Learner.logprobs` gave for them, under that name."""

    def held(segment: Segment, values: Sequence[float]) -> Segment:
        column = np.zeros(len(segment.token_ids), np.float32)
        column[np.asarray(segment.loss_mask, np.bool_)] = values
        given: dict[str, Any] = {name: column}
        return replace(segment, **given)

    found = []
    for tree, values in zip(trees, logprobs, strict=True):
        ends = accumulate((segment.loss_tokens for segment in tree.segments), initial=0)
        parts = (values[begin:end] for begin, end in pairwise(ends))
        found.append(Tree([held(segment, part) for segment, part in zip(tree.segments, parts, strict=True)]))
    return found


@dataclass(frozen=True, slots=True)
class Batch:
    """Several trees in one row of N tokens, with the K targets that bear a loss."""

    token_ids: torch.Tensor  # [N]
    position_ids: torch.Tensor  # [N] distance from the root's first token
    subtree_end: torch.Tensor  # [N] end, in this row, of the token's segment and all below it
    segment_ids: torch.Tensor  # [N]
    sources: torch.Tensor  # [K] position whose hidden state predicts the target; children of one parent share it
    targets: torch.Tensor  # [K] token ids
    target_segments: torch.Tensor  # [K] the segment of each target
    advantages: torch.Tensor  # [K]
    weights: torch.Tensor  # [K]
    generator_logprobs: torch.Tensor | None  # [K]
    old_logprobs: torch.Tensor | None  # [K]
    reference_logprobs: torch.Tensor | None  # [K]
    spans: list[tuple[int, int]]  # start and end of each tree in this row
    trees: list[int]  # index of each packed tree in the list that was packed

    def to(self, device: torch.device) -> "Batch":
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value.to(device) for name, value in values.items() if isinstance(value, torch.Tensor)}
        return Batch(**(values | tensors))

    def sequence_means(self, values: torch.Tensor) -> torch.Tensor:
        """At each target the mean of `values` [K] over its segment's targets, [K]."""
        segments = int(self.segment_ids[-1]) + 1
        sums = values.new_zeros(segments).index_add(0, self.target_segments, values)
        counts = self.target_segments.bincount(minlength=segments)
        return (sums / counts)[self.target_segments]


def make_batch(trees: Sequence[Tree], indices: Sequence[int]) -> Batch:
    """Lays `trees[i] for i in indices` one after the other.

    Raises:
        ValueError: Some segments with a loss have log-probabilities of a kind and others do not.
    """
    segments = [segment for index in indices for segment in trees[index].segments]
    sizes = [len(segment.token_ids) for segment in segments]
    ends = list(accumulate(sizes))
    begins = [end - size for end, size in zip(ends, sizes, strict=True)]
    first: list[int] = []  # a segment's first position
    before: list[int] = []  # the place of what predicts a segment's first token
    reach, spans = list(ends), []
    for tree in (trees[index] for index in indices):
        root = len(first)
        for segment in tree.segments:
            parent = root + segment.parent
            is_root = segment.parent < 0
            first.append(0 if is_root else first[parent] + sizes[parent])
            before.append(0 if is_root else ends[parent] - 1)
        for index in range(len(first) - 1, root, -1):
            parent = root + segments[index].parent
            reach[parent] = max(reach[parent], reach[index])
        spans.append((begins[root], ends[len(first) - 1]))

    token_ids = _end_to_end((segment.token_ids for segment in segments), np.int64)
    bears_loss = _end_to_end((segment.loss_mask for segment in segments), np.bool_)
    segment_ids = torch.arange(len(segments)).repeat_interleave(torch.tensor(sizes))
    places = torch.arange(len(token_ids))
    predictors = places - 1
    predictors[begins] = torch.tensor(before)
    loss_places = bears_loss.nonzero()[:, 0]
    target_segments = segment_ids[loss_places]
    bearing = [segment.loss_tokens > 0 for segment in segments]
    in_bearing = bears_loss[torch.tensor(bearing)[segment_ids]]

    def column(name: str) -> torch.Tensor | None:
        given = [getattr(segment, name) for segment in compress(segments, bearing)]
        if all(values is None for values in given):
            return None
        if any(values is None for values in given):
            raise ValueError(f"{name}: either all segments with a loss have them or none")
        return _end_to_end(given, np.float32)[in_bearing]

    def by_segment(values: Iterable[float]) -> torch.Tensor:
        return torch.tensor(list(values), dtype=torch.float32)[target_segments]

    return Batch(
        token_ids=token_ids,
        position_ids=places + (torch.tensor(first) - torch.tensor(begins))[segment_ids],
        subtree_end=torch.tensor(reach)[segment_ids],
        segment_ids=segment_ids,
        sources=predictors[loss_places],
        targets=token_ids[loss_places],
        target_segments=target_segments,
        advantages=by_segment(segment.advantage for segment in segments),
        weights=by_segment(segment.weight for segment in segments),
        generator_logprobs=column("generator_logprobs"),
        old_logprobs=column("old_logprobs"),
        reference_logprobs=column("reference_logprobs"),
        spans=spans,
        trees=list(indices),
    )


def _end_to_end(parts: Iterable[Values], dtype: type[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.asarray(part, dtype) for part in parts]))


def idle_batch() -> Batch:
    """One token and no target: what a rank runs while others still have micro-batches."""
    return make_batch([Tree([Segment([0], [False])])], [0])
