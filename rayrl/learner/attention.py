"""Attention over a forest. One rule says who sees whom; dense masks and FlexAttention both apply it."""

import math
from functools import cache
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention as _sdpa
from transformers import AttentionInterface, PreTrainedModel

from rayrl.learner.batch import Batch

NAME = "rayrl_forest"  # under which transformers finds `forest_attention`
# On CPU plain matmuls beat SDPA's fused kernel (measured in bfloat16, forward + backward, 9 heads of 64 on one core:
# 0.7 against 2.9 ms at 114 tokens, 8 against 24 at 512, 141 against 174 at 1536); beyond, scores take too much memory.
PLAIN_TOKENS = 2048


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

    def block_mask(self, window: int | None) -> Any:
        """FlexAttention's mask over the whole row."""
        if window not in self._masks:
            self._masks[window] = flex_block_mask(self.batch, window)
        return self._masks[window]

    def biases(self, window: int | None, dtype: torch.dtype) -> Any:
        """What is added to the scores of each tree, [1, 1, n, n] of 0 and -inf. Trees never see one another."""
        if window not in self._masks:
            batch = self.batch
            masks = [dense_mask(batch.subtree_end, batch.position_ids, *span, window) for span in batch.spans]
            self._masks[window] = [torch.zeros_like(m, dtype=dtype).masked_fill_(~m, -math.inf) for m in masks]
        return self._masks[window]


def flex_block_mask(batch: Batch, window: int | None = None) -> Any:
    """FlexAttention's BlockMask of the same rule (CUDA)."""
    from torch.nn.attention.flex_attention import create_block_mask

    n = len(batch.token_ids)

    def rule(_b: torch.Tensor, _h: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return visible(query, key, batch.subtree_end, batch.position_ids, window)

    return create_block_mask(rule, None, None, n, n, device=str(batch.token_ids.device))


@cache
def _capped_score(softcap: float) -> Any:
    """FlexAttention's score_mod of a cap. One function for each cap, so that nothing compiles twice."""

    def capped(score: torch.Tensor, _b: Any, _h: Any, _query: Any, _key: Any) -> torch.Tensor:
        return softcap * torch.tanh(score / softcap)

    return capped


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)


def forest_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    forest: Forest,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query [1, heads, N, d], key and value [1, kv heads, N, d] -> [1, N, heads, d].

    `softcap` bounds the scores (Gemma 2): cap x tanh(score / cap).
    """
    if forest.flex:
        mask = forest.block_mask(sliding_window)
        score = None if softcap is None else _capped_score(softcap)
        out = _compiled_flex()(query, key, value, score_mod=score, block_mask=mask, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    parts = []
    for (start, end), bias in zip(forest.batch.spans, forest.biases(sliding_window, query.dtype), strict=True):
        tree = (query[:, :, start:end], key[:, :, start:end], value[:, :, start:end])
        plain = softcap is not None or (query.device.type == "cpu" and end - start <= PLAIN_TOKENS)
        attend = _plain_attention(*tree, bias, scale, softcap) if plain else _sdpa(*tree, attn_mask=bias, scale=scale)
        parts.append(attend)
    return torch.cat([part.transpose(1, 2) for part in parts], dim=1), None


def _plain_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, scale: float, softcap: float | None
) -> torch.Tensor:
    """Two matmuls and a softmax, [1, heads, n, d] -> the same."""
    if softcap is None:
        scores = torch.baddbmm(bias[0].expand(query.shape[1], -1, -1), query[0], key[0].transpose(1, 2), alpha=scale)
    else:
        scores = (query[0] @ key[0].transpose(1, 2) * (scale / softcap)).tanh() * softcap + bias[0]
    return (scores.softmax(-1) @ value[0])[None]


def forest_obstacle(model: PreTrainedModel) -> str | None:
    """Why a model's attention cannot run over a forest; None: it can."""
    if not model._supports_attention_backend:
        return f"{type(model).__name__} does not let its attention be replaced"
    kinds = set(getattr(model.config, "layer_types", None) or ())
    if other := sorted(kinds - {"full_attention", "sliding_attention"}):
        return f"it has layers of the kind {', '.join(other)}"
    if "sliding_attention" in kinds and not any(hasattr(module, "sliding_window") for module in model.modules()):
        return "its sliding window is not told to the attention"
    if any(name.endswith(".sinks") for name, _ in model.named_parameters()):
        return "it has attention sinks"
    return None


AttentionInterface.register(NAME, forest_attention)
