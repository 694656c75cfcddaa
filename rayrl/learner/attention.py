"""Attention over a forest. One rule says who sees whom; blocks (CPU), FlashAttention and FlexAttention all apply it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, PreTrainedModel

from rayrl.learner import flash4
from rayrl.learner.batch import Batch

NAME = "rayrl_forest"  # under which transformers finds `forest_attention`
BLOCK = 256  # most queries computed at once
TOGETHER = 96  # tokens of neighbouring segments computed at once, each hidden from the other: fewer, larger products

Kernel = Literal["blocks", "flex", "varlen", "flash4"]


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


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring queries and the places that any of them sees: ranges of ancestors, then their own up to the last."""

    queries: slice
    keys: list[slice]
    masked_from: int  # column, among the keys laid side by side, from which on some are hidden
    hidden: torch.Tensor  # bool [queries, keys from that column on]

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """[heads, N, d] -> [heads, keys, d]"""
        parts = [tensor[:, places] for places in self.keys]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def scatter_add(self, tensor: torch.Tensor, values: torch.Tensor) -> None:
        """Adds `values` [heads, keys, d] to `tensor` [heads, N, d] where the keys lie."""
        start = 0
        for places in self.keys:
            length = places.stop - places.start
            tensor[:, places] += values[:, start : start + length]
            start += length


@dataclass(frozen=True, slots=True)
class Path:
    """A segment's places in the row, and those of its ancestors, from the root on."""

    own: slice
    above: list[slice]


def segment_paths(batch: Batch) -> Iterator[Path]:
    """The path of each segment, in the row's order."""
    ends = batch.segment_ids.bincount().cumsum(0).tolist()
    starts = [0, *ends[:-1]]
    reach = batch.subtree_end[torch.tensor(starts, device=batch.subtree_end.device)].tolist()
    path: list[int] = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        while path and reach[path[-1]] <= start:
            path.pop()
        yield Path(slice(start, end), [slice(starts[at], ends[at]) for at in path])
        path.append(index)


def blocks(batch: Batch, window: int | None) -> list[Block]:
    """What is to be computed of the N x N scores of a batch: a segment's queries against its path alone, or those of
    short neighbours together."""
    made = []
    for path in _neighbours(segment_paths(batch)):
        for first in range(path.own.start, path.own.stop, BLOCK):
            last = min(first + BLOCK, path.own.stop)
            keys = [*path.above, slice(path.own.start, last)]
            places = torch.cat([torch.arange(part.start, part.stop) for part in keys]).to(batch.token_ids.device)
            queries = torch.arange(first, last, device=places.device)
            hidden = ~visible(queries[:, None], places[None], batch.subtree_end, batch.position_ids, window)
            columns = hidden.any(0).nonzero()
            masked_from = int(columns[0]) if len(columns) else len(places)
            made.append(Block(slice(first, last), keys, masked_from, hidden[:, masked_from:].contiguous()))
    return made


def _neighbours(paths: Iterable[Path]) -> list[Path]:
    """Paths whose segments follow one another as one, while they are TOGETHER tokens at most and hang below the same
    segments, or below one another."""
    joined: list[Path] = []
    for path in paths:
        last = joined[-1] if joined else None
        if (
            last is not None
            and path.above[: len(last.above)] == last.above
            and path.own.stop - last.own.start <= TOGETHER
        ):
            joined[-1] = Path(slice(last.own.start, path.own.stop), last.above)
        else:
            joined.append(path)
    return joined


@dataclass(frozen=True, slots=True)
class Gathered:
    """Each segment as a sequence of its own: its tokens as queries, its path and itself as keys. One kernel computes
    them all, causal from the last query on back, with no mask; a path's positions are its places."""

    keys: torch.Tensor  # int64 [T] places in the row, segment by segment
    query_ends: torch.Tensor  # int32 [segments + 1], as FlashAttention's cu_seqlens
    key_ends: torch.Tensor  # int32 [segments + 1]
    longest: tuple[int, int]  # queries, keys


def gather_paths(batch: Batch) -> Gathered:
    """What `varlen_attn` needs of a batch; the same for every window."""
    paths = list(segment_paths(batch))
    device = batch.token_ids.device
    keys = [torch.arange(part.start, part.stop) for path in paths for part in (*path.above, path.own)]
    sizes = torch.tensor([[path.own.stop - path.own.start for path in paths], list(map(_length, paths))])
    ends = torch.nn.functional.pad(sizes.cumsum(1), (1, 0)).to(device, torch.int32)
    longest = sizes.amax(1).tolist()
    return Gathered(torch.cat(keys).to(device), ends[0], ends[1], (longest[0], longest[1]))


def _length(path: Path) -> int:
    return sum(part.stop - part.start for part in (*path.above, path.own))


def choose(setting: str, device: torch.device, dtype: torch.dtype, softcap: float | None) -> Kernel:
    """What `model.attention: auto` means: torch's FlashAttention needs CUDA, has no float32 and no cap of scores."""
    if setting != "auto":
        return cast(Kernel, setting)
    return "varlen" if device.type == "cuda" and dtype != torch.float32 and softcap is None else "blocks"


class Forest:
    """What attention needs of one batch: made once for each sliding window, used by every layer."""

    def __init__(self, batch: Batch, kernel: Kernel) -> None:
        self.batch, self.kernel = batch, kernel
        self._made: dict[int | None, Any] = {}

    def mask(self, window: int | None) -> Any:
        """FlexAttention's mask over the whole row, the blocks, or the gathered paths."""
        if self.kernel in _FLASH:
            window = None
        if window not in self._made:
            self._made[window] = _MAKERS[self.kernel](self.batch, window)
        return self._made[window]


def flex_block_mask(batch: Batch, window: int | None = None) -> Any:
    """FlexAttention's BlockMask of the same rule. On CUDA compiled, once: else [N, N] would be laid out."""
    from torch.nn.attention.flex_attention import create_block_mask

    n = len(batch.token_ids)

    def rule(_b: torch.Tensor, _h: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return visible(query, key, batch.subtree_end, batch.position_ids, window)

    make: Any = _compiled("create_block_mask") if batch.token_ids.is_cuda else create_block_mask
    return make(rule, None, None, n, n, device=str(batch.token_ids.device))


_MAKERS: dict[Kernel, Callable[[Batch, int | None], Any]] = {
    "blocks": blocks,
    "varlen": lambda batch, _window: gather_paths(batch),
    "flash4": lambda batch, _window: gather_paths(batch),
    "flex": flex_block_mask,
}


@cache
def _capped_score(softcap: float) -> Any:
    """FlexAttention's score_mod of a cap. One function for each cap, so that nothing compiles twice."""

    def capped(score: torch.Tensor, _b: Any, _h: Any, _query: Any, _key: Any) -> torch.Tensor:
        return softcap * torch.tanh(score / softcap)

    return capped


@cache
def _compiled(name: str) -> Any:
    """A function of torch's FlexAttention, compiled for all sizes at its first call."""
    from torch.nn.attention import flex_attention

    return torch.compile(getattr(flex_attention, name), dynamic=True)


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
    mask = forest.mask(sliding_window)
    if attend := _FLASH.get(forest.kernel):
        if softcap is not None and forest.kernel == "varlen":
            raise ValueError(
                "model.attention: varlen has no cap of scores, which this model needs; use blocks, flex or flash4"
            )
        return _along_paths(attend, query[0], key[0], value[0], mask, scaling, sliding_window, softcap)[None], None
    if forest.kernel == "flex":
        score = None if softcap is None else _capped_score(softcap)
        out = _compiled("flex_attention")(
            query, key, value, score_mod=score, block_mask=mask, scale=scaling, enable_gqa=True
        )
        return out.transpose(1, 2).contiguous(), None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = _BlockAttention.apply(query[0], key[0], value[0], mask, scale, softcap)  # type: ignore[no-untyped-call]
    return out[None], None


def _along_paths(
    attend: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    paths: Gathered,
    *how: float | None,
) -> torch.Tensor:
    """[heads, N, d], twice [kv heads, N, d] -> [N, heads, d], each segment a sequence of its own."""

    def gathered(tensor: torch.Tensor) -> torch.Tensor:
        wide = torch.promote_types(tensor.dtype, torch.float32)  # many segments add to one key's gradient
        return tensor.transpose(0, 1).to(wide).index_select(0, paths.keys).to(tensor.dtype)

    ends = paths.query_ends, paths.key_ends, paths.longest
    return attend(query.transpose(0, 1), gathered(key), gathered(value), *ends, *how)


def _varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_ends: torch.Tensor,
    key_ends: torch.Tensor,
    longest: tuple[int, int],
    scale: float | None,
    window: int | None,
    _softcap: None,
) -> torch.Tensor:
    """`flash4.attend` by `torch.nn.attention.varlen` (FlashAttention 2, CUDA)."""
    return varlen_attn(  # type: ignore[return-value]  # a tensor alone, without auxiliary outputs
        query,
        key,
        value,
        query_ends,
        key_ends,
        *longest,
        scale=scale,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )


_FLASH: dict[Kernel, Callable[..., torch.Tensor]] = {"varlen": _varlen, "flash4": flash4.attend}


class _BlockAttention(torch.autograd.Function):
    """Block by block; the backward computes each block's probabilities again, so that memory grows with N alone.

    Query heads that share a key head are laid below one another, so that keys and values are never repeated.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        blocks: list[Block],
        scale: float,
        softcap: float | None,
    ) -> torch.Tensor:
        """[heads, N, d], twice [kv heads, N, d] -> [N, heads, d]"""
        out = query.new_empty(query.shape[1], query.shape[0], value.shape[-1])
        for block in blocks:
            _, probabilities, _ = _probabilities(query, block.gather(key), block, scale, softcap)
            mixed = probabilities @ block.gather(value)
            out[block.queries] = mixed.view(len(query), -1, value.shape[-1]).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.blocks, ctx.scale, ctx.softcap = blocks, scale, softcap
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        upstream = gradients[0].transpose(0, 1)  # [heads, N, d]
        query_grad = torch.empty_like(query)
        # Many blocks add to one key: summed in float32.
        wide = torch.promote_types(key.dtype, torch.float32)
        key_grad, value_grad = torch.zeros_like(key, dtype=wide), torch.zeros_like(value, dtype=wide)
        for block in ctx.blocks:
            keys = block.gather(key)
            queries, probabilities, slope = _probabilities(query, keys, block, ctx.scale, ctx.softcap)
            out_grad = upstream[:, block.queries].reshape(len(key), -1, value.shape[-1])
            block.scatter_add(value_grad, probabilities.transpose(1, 2) @ out_grad)
            grad = out_grad @ block.gather(value).transpose(1, 2)
            grad = torch._softmax_backward_data(grad, probabilities, -1, grad.dtype)
            if slope is not None:
                grad *= slope
            query_grad[:, block.queries] = (grad @ keys).mul_(ctx.scale).view(len(query), -1, query.shape[-1])
            block.scatter_add(key_grad, grad.transpose(1, 2) @ queries)
        return query_grad, key_grad.to(key.dtype), value_grad.to(value.dtype), None, None, None


def _probabilities(
    query: torch.Tensor, keys: torch.Tensor, block: Block, scale: float, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A block's scaled queries [kv heads, n, d] and probabilities [kv heads, n, keys], n counting each head of a
    group; and with a cap its derivative at the scores."""
    queries = query[:, block.queries].reshape(len(keys), -1, query.shape[-1]) * scale
    scores = queries @ keys.transpose(1, 2)
    slope = None
    if softcap is not None:
        scores = scores.div_(softcap).tanh_()
        slope = 1 - scores.square()
        scores = scores * softcap
    if block.hidden.numel():
        each = scores.view(len(keys), -1, len(block.hidden), scores.shape[-1])
        each[..., block.masked_from :].masked_fill_(block.hidden, -torch.inf)
    return queries, scores.softmax(-1), slope


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


def leave_uncompiled() -> None:
    """torch.compile passes forest attention by, in this process."""
    AttentionInterface.register(NAME, torch.compiler.disable(forest_attention))  # type: ignore[no-untyped-call]


AttentionInterface.register(NAME, forest_attention)
