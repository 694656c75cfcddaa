"""Requests that start together, so that vLLM computes the same ones in the same batches in every run."""

import asyncio
from typing import Any

PATIENCE_S = 10.0
"""Since the last that came: one of those who ask may have died."""


class StartGate:
    """Pauses vLLM's scheduler, which queues meanwhile, until a number of requests is there.

    Args:
        llm: An AsyncLLM; whoever pauses it for another reason calls `drop` before, so that it is not resumed here.
    """

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._missing = 0
        self._timer: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    async def hold(self, count: int) -> None:
        """Closes until `count` requests have come, or none for `PATIENCE_S`."""
        await self._llm.pause_generation(mode="keep", clear_cache=False)
        self._missing = count
        self._wait()

    def count(self) -> None:
        """One has come."""
        if self._missing:
            self._missing -= 1
            self._wait()

    def drop(self) -> None:
        """Waits for no more; what is paused stays so."""
        self._missing = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        missing = self._missing
        self.drop()
        if missing:
            self._missing = missing
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._open)
        else:
            self._open()

    def _open(self) -> None:
        self.drop()
        self._opening = asyncio.ensure_future(self._llm.resume_generation())
