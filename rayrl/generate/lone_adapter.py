"""LoRA on CPU where all tokens use one adapter: two matmuls. vLLM 0.32 copies both matrices there for every token.

No public issue known.
"""

from typing import Any

import torch
from torch.nn.functional import linear
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU


class LoneAdapterPunica(PunicaWrapperCPU):  # type: ignore[misc]
    """vLLM's wrapper, with a short way for batches in which the adapter in the first slot serves every token."""

    lone = False

    def update_metadata(self, mapping: Any, *arguments: Any, **keywords: Any) -> None:
        super().update_metadata(mapping, *arguments, **keywords)
        self.lone = not bool(self.token_lora_indices.any())  # slots; -1: no adapter

    def _apply_shrink(self, y: torch.Tensor, x: torch.Tensor, w_t_all: torch.Tensor, scale: float) -> None:
        if self.lone:
            y[:, : w_t_all.shape[-2]] = scale * linear(x, w_t_all[0, 0])
        else:
            super()._apply_shrink(y, x, w_t_all, scale)

    def _apply_expand(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        w_t_all: torch.Tensor,
        y_offset: int,
        y_slice_size: int,
        add_inputs: bool = True,
    ) -> None:
        if self.lone and add_inputs:
            y[:, y_offset : y_offset + y_slice_size] += linear(x.to(y.dtype), w_t_all[0, 0])
        else:
            super()._apply_expand(y, x, w_t_all, y_offset, y_slice_size, add_inputs)
