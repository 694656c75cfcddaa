"""The model that training started from, beside the one that trains."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch.distributed.tensor import DTensor


def _local(parameter: torch.Tensor) -> torch.Tensor:
    """This rank's part, sharing memory."""
    value = parameter.detach()
    return value.to_local() if isinstance(value, DTensor) else value


class Reference:
    """A copy of the weights that train, as they are now, in the compute dtype. The frozen ones are shared."""

    def __init__(self, trained: Iterable[torch.nn.Parameter], compute_dtype: torch.dtype) -> None:
        self._base = [(parameter, _local(parameter).to(compute_dtype, copy=True)) for parameter in trained]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model holds the copy. Needs, for that time, the room that gradients take later.

        FSDP must hold no gathered weights, before and after.
        """
        held = [_local(parameter).clone() for parameter, _ in self._base]
        try:
            for parameter, base in self._base:
                _local(parameter).copy_(base)
            yield
        finally:
            for (parameter, _), value in zip(self._base, held, strict=True):
                _local(parameter).copy_(value)
