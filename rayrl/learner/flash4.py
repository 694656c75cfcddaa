"""FlashAttention 4 (package flash-attn-4), for Hopper and Blackwell: its kernels are made when first called."""

from importlib.util import find_spec
from typing import Any

import torch

from rayrl.errors import ConfigError


def require() -> None:
    """Raises ConfigError where the package is not installed."""
    if find_spec("flash_attn") is None or find_spec("flash_attn.cute") is None:
        raise ConfigError(
            "model.attention: flash4 needs the package flash-attn-4, which is not installed here; "
            "install it (the extra `cuda` has it), or set it to varlen"
        )


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_ends: torch.Tensor,
    key_ends: torch.Tensor,
    longest: tuple[int, int],
    scale: float | None,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """Sequences one after another: [queries, heads, d], twice [keys, kv heads, d] -> [queries, heads, d].

    Args:
        query: bfloat16 or float16, as key and value.
        query_ends: int32 [sequences + 1], from 0 on.
        key_ends: Likewise; a sequence's last query is at its last key.
        longest: Queries and keys of the longest sequence.
        window: How many keys a query sees, its own counted; None: all before it.
        softcap: Bound of the scores; None: none.
    """
    from flash_attn.cute import flash_attn_varlen_func

    out: Any = flash_attn_varlen_func(
        query,
        key,
        value,
        cu_seqlens_q=query_ends,
        cu_seqlens_k=key_ends,
        max_seqlen_q=longest[0],
        max_seqlen_k=longest[1],
        softmax_scale=scale,
        causal=window is None,
        window_size=(None, None) if window is None else (window - 1, 0),
        softcap=softcap or 0.0,
    )
    attended: torch.Tensor = out[0]  # beside it, the logarithms of the sums
    return attended
