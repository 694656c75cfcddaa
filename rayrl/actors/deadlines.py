"""Every wait on Ray has a deadline and says what it waited for; errors arrive as they were raised."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayTaskError

from rayrl.config.deadlines import BUSY, Deadline
from rayrl.errors import DeadlineError

T = TypeVar("T")


def too_late(what: str, deadline: Deadline) -> DeadlineError:
    """The error that says for what was waited, and what helps."""
    return DeadlineError(f"waited {deadline.seconds:g} s for {what}; {deadline.fix}")


def original(error: BaseException) -> BaseException:
    """The exception that was raised in the actor, without Ray's wrapping."""
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    return error


@contextmanager
def watched(what: str, deadline: Deadline, tell: Callable[[DeadlineError], object]) -> Iterator[None]:
    """Within, this process works itself. Where that does not end in time, `tell` gets the error, in a thread: what
    hangs cannot be interrupted."""
    timer = Timer(deadline.seconds, lambda: tell(too_late(what, deadline)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def fetch(reference: Any, what: str, deadline: Deadline) -> Any:
    """`ray.get` with a deadline.

    Raises:
        DeadlineError: Nothing came in time.
    """
    try:
        return ray.get(reference, timeout=deadline.seconds)
    except GetTimeoutError as error:
        raise too_late(what, deadline) from error
    except RayTaskError as error:
        raise original(error) from error


def fetch_guarded(reference: Any, what: str, deadline: Deadline, ping: Callable[[], Any]) -> Any:
    """`ray.get` of what takes as long as it takes, and whose own waits have deadlines in the actor that does it.

    Args:
        reference: To it.
        what: It is.
        deadline: After so long, and again and again, the actor must show that it is there.
        ping: Asks it; gives a reference.

    Raises:
        DeadlineError: It did not answer.
    """
    while not ray.wait([reference], timeout=deadline.seconds)[0]:
        fetch(ping(), f"a sign of life from what does {what}", BUSY)
    return fetch(reference, what, deadline)


async def expect_progress(awaitable: Awaitable[T], what: str, deadline: Deadline, progress: Callable[[], object]) -> T:
    """The result of work in many parts. It may take long; `progress`, which says how far it is, may not stand still.

    Raises:
        DeadlineError: It stood still for so long.
    """
    work = asyncio.ensure_future(awaitable)
    try:
        before = progress()
        while not (await asyncio.wait([work], timeout=deadline.seconds))[0]:
            if progress() == before:
                raise too_late(f"more of {what}", deadline)
            before = progress()
        return await work
    except RayTaskError as error:
        raise original(error) from error
    finally:
        work.cancel()


async def expect(awaitable: Awaitable[T], what: str, deadline: Deadline | None) -> T:
    """`fetch` inside an async actor. None: something else ends it."""
    try:
        return await asyncio.wait_for(awaitable, deadline.seconds if deadline else None)
    except TimeoutError as error:
        if deadline is None:
            raise
        raise too_late(what, deadline) from error
    except RayTaskError as error:
        raise original(error) from error
