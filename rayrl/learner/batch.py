"""Forests of segments and how they are packed into rows.

A tree is one prompt with its completions as children, or one supervised example. A token sees its own segment
causally and its ancestors in full. Segments lie in depth-first order, so `subtree_end` alone tells who sees whom.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from rayrl.types import Example, RolloutGroup


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens below its parent. Per-token lists are aligned with `token_ids` [T]."""

    token_ids: list[int]
    loss_mask: list[bool]
    parent: int = -1  # index in the tree; -1: root
    advantage: float = 0.0
    generator_logprobs: list[float] | None = None
    old_logprobs: list[float] | None = None  # by the learner before this step's first update
    weight: float = 0.0  # of each loss token in the summed loss; set by objectives.weigh

    @property
    def loss_tokens(self) -> int:
        return sum(self.loss_mask)


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
            lists = (segment.loss_mask, segment.generator_logprobs, segment.old_logprobs)
            if any(values is not None and len(values) != len(segment.token_ids) for values in lists):
                raise ValueError(f"segment {index}: loss_mask and logprobs must be as long as token_ids")
            if not segment.token_ids:
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


def grpo_tree(group: RolloutGroup, advantages: Sequence[float], keep: Sequence[bool]) -> Tree:
    """The prompt as a root without loss, and below it each completion whose `keep` [G] is True."""
    prompt = group.prompt.token_ids
    segments = [Segment(prompt, [False] * len(prompt))]
    for rollout, advantage, kept in zip(group.rollouts, advantages, keep, strict=True):
        if kept and rollout.token_ids:
            mask = [True] * len(rollout.token_ids)
            segments.append(Segment(rollout.token_ids, mask, 0, advantage, rollout.logprobs))
    return Tree(segments)


def example_tree(example: Example) -> Tree:
    """A supervised example as one root. Its first token bears no loss: nothing predicts it."""
    return Tree([Segment(example.token_ids, [False, *example.loss_mask[1:]])])


def with_old_logprobs(trees: Sequence[Tree], logprobs: Sequence[Sequence[float]]) -> list[Tree]:
    """The trees with what `Learner.logprobs` gave for them: the policy that later updates of this step clip against."""

    def held(segment: Segment, values: Iterator[float]) -> Segment:
        old = [next(values) if bears_loss else 0.0 for bears_loss in segment.loss_mask]
        return replace(segment, old_logprobs=old)

    pairs = zip(trees, map(iter, logprobs), strict=True)
    return [Tree([held(segment, values) for segment in tree.segments]) for tree, values in pairs]


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
    spans: list[tuple[int, int]]  # start and end of each tree in this row
    trees: list[int]  # index of each packed tree in the list that was packed

    def to(self, device: torch.device) -> "Batch":
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value.to(device) for name, value in values.items() if isinstance(value, torch.Tensor)}
        return Batch(**(values | tensors))


def _column(values: list[float | None], name: str) -> torch.Tensor | None:
    present = [value for value in values if value is not None]
    if not present:
        return None
    if len(present) != len(values):
        raise ValueError(f"{name}: either all segments with a loss have them or none")
    return torch.tensor(present, dtype=torch.float32)


def make_batch(trees: Sequence[Tree], indices: Sequence[int]) -> Batch:
    """Lays `trees[i] for i in indices` one after the other."""
    tokens: list[int] = []
    positions: list[int] = []
    subtree_end: list[int] = []
    segment_ids: list[int] = []
    targets: list[tuple[int, int, int, Segment, int]] = []  # source, token id, segment id, segment, offset
    spans = []
    segments = 0
    for tree in (trees[index] for index in indices):
        start = len(tokens)
        begins: list[int] = []
        ends: list[int] = []
        for segment in tree.segments:
            begin, length = len(tokens), len(segment.token_ids)
            parent_end = ends[segment.parent] if begins else begin
            first = positions[parent_end - 1] + 1 if begins else 0
            for offset in range(length):
                if segment.loss_mask[offset]:
                    source = begin + offset - 1 if offset else parent_end - 1
                    targets.append((source, segment.token_ids[offset], segments, segment, offset))
            tokens.extend(segment.token_ids)
            positions.extend(range(first, first + length))
            segment_ids.extend([segments] * length)
            begins.append(begin)
            ends.append(begin + length)
            segments += 1
        below = list(ends)
        for index in range(len(tree.segments) - 1, 0, -1):
            parent = tree.segments[index].parent
            below[parent] = max(below[parent], below[index])
        for end, segment in zip(below, tree.segments, strict=True):
            subtree_end.extend([end] * len(segment.token_ids))
        spans.append((start, len(tokens)))
    generator = [s.generator_logprobs[o] if s.generator_logprobs else None for *_, s, o in targets]
    old = [s.old_logprobs[o] if s.old_logprobs else None for *_, s, o in targets]

    def integers(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int64)

    return Batch(
        token_ids=integers(tokens),
        position_ids=integers(positions),
        subtree_end=integers(subtree_end),
        segment_ids=integers(segment_ids),
        sources=integers([source for source, *_ in targets]),
        targets=integers([token for _, token, *_ in targets]),
        target_segments=integers([segment for _, _, segment, *_ in targets]),
        advantages=torch.tensor([segment.advantage for *_, segment, _ in targets], dtype=torch.float32),
        weights=torch.tensor([segment.weight for *_, segment, _ in targets], dtype=torch.float32),
        generator_logprobs=_column(generator, "generator_logprobs"),
        old_logprobs=_column(old, "old_logprobs"),
        spans=spans,
        trees=list(indices),
    )


def idle_batch() -> Batch:
    """One token and no target: what a rank runs while others still have micro-batches."""
    return make_batch([Tree([Segment([0], [False])])], [0])
