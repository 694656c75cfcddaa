"""Several actors of one kind: the least busy is called; one that dies is revived, once, and the call repeated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ray.exceptions import RayActorError

from rayrl.actors.deadlines import expect
from rayrl.actors.generator import RestartedError
from rayrl.config.deadlines import Deadline
from rayrl.errors import RayrlError

LOST = (RayActorError, RestartedError)
TRIES = 3

Revive = Callable[[Any], Awaitable[None]]
NoteLoss = Callable[[str, BaseException], None]


class Replicas:
    """Handles with the number of calls in flight on each, bounded.

    Args:
        handles: Of the actors.
        max_calls: Most calls in flight on one.
        deadline: Of each revival.
        revive: Brings a handle's actor up; tried until Ray has restarted that.
        note_loss: Told of each call that an actor was lost over, and of the error.
    """

    def __init__(
        self,
        handles: list[Any],
        max_calls: int,
        deadline: Deadline,
        revive: Revive,
        note_loss: NoteLoss = lambda what, error: None,
    ) -> None:
        self.handles, self.deadline, self.note_loss = handles, deadline, note_loss
        self._calls = [0] * len(handles)
        self._free = asyncio.Semaphore(max_calls * len(handles))
        self._revive = revive
        self._reviving: dict[int, asyncio.Task[None]] = {}

    async def call(
        self, what: str, call: Callable[[Any], Awaitable[Any]], deadline: Deadline, index: int | None = None
    ) -> Any:
        """`call` of the least busy handle, or first of the one at `index`, however busy; where its actor dies, again of
        the least busy, once it is revived. Calls of the one at `index` wait for one another there: who makes them has
        the deadline.

        Raises:
            RayrlError: Actors died TRIES times.
            DeadlineError: `what` did not come, or an actor did not come up again.
        """
        for attempt in range(TRIES):
            placed = self._at(index) if index is not None and not attempt else None
            async with placed or self._least_busy() as handle:
                try:
                    return await expect(call(handle), what, None if placed else deadline)
                except LOST as error:
                    self.note_loss(what, error)
                    if attempt == TRIES - 1:
                        raise RayrlError(f"lost an actor three times while waiting for {what}: {error}") from error
                    await self.revive(handle, f"the restart of an actor for {what}")
        raise AssertionError("unreachable")

    async def revive(self, handle: Any, what: str) -> None:
        """Brings a dead actor back; callers that ask meanwhile wait for the same revival, each with its deadline."""
        index = self.handles.index(handle)
        task = self._reviving.get(index)
        if task is None:
            task = asyncio.ensure_future(self._until_up(handle))
            self._reviving[index] = task
            task.add_done_callback(lambda _: self._reviving.pop(index, None))
        await expect(asyncio.shield(task), what, self.deadline)

    async def _until_up(self, handle: Any) -> None:
        while True:
            try:
                await self._revive(handle)
                return
            except LOST:
                await asyncio.sleep(0.5)  # while Ray restarts an actor, it cannot be reached

    @asynccontextmanager
    async def _least_busy(self) -> AsyncIterator[Any]:
        """A handle, counted as busy within."""
        async with self._free, self._at(self._calls.index(min(self._calls))) as handle:
            yield handle

    @asynccontextmanager
    async def _at(self, index: int) -> AsyncIterator[Any]:
        """This handle, counted as busy within."""
        self._calls[index] += 1
        try:
            yield self.handles[index]
        finally:
            self._calls[index] -= 1
