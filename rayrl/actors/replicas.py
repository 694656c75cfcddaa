"""Several actors of one kind: the least busy is called next, and a dead one is revived once, not by every caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


class Replicas:
    """Handles with the number of calls in flight on each, bounded."""

    def __init__(self, handles: list[Any], max_calls: int, revive: Callable[[Any], Awaitable[None]]) -> None:
        self.handles = handles
        self._calls = [0] * len(handles)
        self._free = asyncio.Semaphore(max_calls * len(handles))
        self._revive = revive
        self._reviving: dict[int, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def least_busy(self) -> AsyncIterator[Any]:
        """A handle, counted as busy within."""
        async with self._free:
            index = self._calls.index(min(self._calls))
            self._calls[index] += 1
            try:
                yield self.handles[index]
            finally:
                self._calls[index] -= 1

    async def revive(self, handle: Any) -> None:
        """Brings a dead actor back; callers that ask meanwhile wait for the same revival."""
        index = self.handles.index(handle)
        task = self._reviving.get(index)
        if task is None:
            task = asyncio.ensure_future(self._revive(handle))
            self._reviving[index] = task
            task.add_done_callback(lambda _: self._reviving.pop(index, None))
        await asyncio.shield(task)
