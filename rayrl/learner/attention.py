"""Attention over a forest. One rule says who sees whom; dense masks and FlexAttention both apply it."""

from functools import cache
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from rayrl.errors import ModelError
from rayrl.learner.batch import Batch

NAME = "rayrl_forest"  # under which transformers finds `forest_attention`


def visible(
    query: torch.Tensor, key: torch.Tensor, subtree_end: torch.Tensor, position_ids: torch.Tensor, window: int | None
) -> torch.Tensor:
    """Whether the token at `query` sees the one at `key` (places in the row): its own segment's past, and ancestors.

    Args:
        query: Places, any shape that broadcasts with `key`.
        key: Places.
        subtree_end: [N]
        position_ids: [N]
        window: Sliding window of the layer, in positions.
    """
    seen = (key <= query) & (query < subtree_end[key])
    if window is not None:
        seen = seen & (position_ids[query] - position_ids[key] < window)
    return seen


def dense_mask(
    subtree_end: torch.Tensor, position_ids: torch.Tensor, start: int, end: int, window: int | None = None
) -> torch.Tensor:
    """bool [1, 1, n, n] over the places start..end of a row."""
    places = torch.arange(start, end, device=subtree_end.device)
    return visible(places[:, None], places[None, :], subtree_end, position_ids, window)[None, None]


class Forest:
    """The masks of one batch: made once for each sliding window, used by every layer."""

    def __init__(self, batch: Batch, flex: bool) -> None:
        self.batch, self.flex = batch, flex
        self._masks: dict[int | None, Any] = {}

    def masks(self, window: int | None) -> Any:
        """A dense mask for each tree (dense: a tree never sees another, so none is made across), or a BlockMask."""
        if window not in self._masks:
            batch = self.batch
            self._masks[window] = (
                flex_block_mask(batch, window)
                if self.flex
                else [dense_mask(batch.subtree_end, batch.position_ids, *span, window) for span in batch.spans]
            )
        return self._masks[window]


def flex_block_mask(batch: Batch, window: int | None = None) -> Any:
    """FlexAttention's BlockMask of the same rule (CUDA)."""
    from torch.nn.attention.flex_attention import create_block_mask

    n = len(batch.token_ids)

    def rule(_b: torch.Tensor, _h: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return visible(query, key, batch.subtree_end, batch.position_ids, window)

    return create_block_mask(rule, None, None, n, n, device=str(batch.token_ids.device))


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)


def forest_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 transformers' signature; the forest says it all
    *,
    forest: Forest,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query [1, heads, N, d], key and value [1, kv heads, N, d] -> [1, N, heads, d].

    Raises:
        ModelError: The model caps attention logits, which SDPA cannot do.
    """
    if softcap is not None:
        raise ModelError(f"model.path: {type(module).__name__} caps attention logits (Gemma 2), which is not supported")
    masks = forest.masks(sliding_window)
    if forest.flex:
        out = _compiled_flex()(query, key, value, block_mask=masks, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts = [
        scaled_dot_product_attention(
            query[:, :, start:end], key[:, :, start:end], value[:, :, start:end], attn_mask=mask, scale=scaling
        )
        for (start, end), mask in zip(forest.batch.spans, masks, strict=True)
    ]
    return torch.cat([part.transpose(1, 2) for part in parts], dim=1), None


AttentionInterface.register(NAME, forest_attention)
