"""Every wait on Ray has a deadline and says what it waited for; errors arrive as they were raised."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayTaskError

from rayrl.errors import DeadlineError

T = TypeVar("T")
LONGER = "raise run.deadline_s if it needs longer"


def original(error: BaseException) -> BaseException:
    """The exception that was raised in the actor, without Ray's wrapping."""
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    return error


def fetch(reference: Any, what: str, deadline_s: float, fix: str = LONGER) -> Any:
    """`ray.get` with a deadline; `fix` is what helps where that was too short.

    Raises:
        DeadlineError: Nothing came within `deadline_s` seconds.
    """
    try:
        return ray.get(reference, timeout=deadline_s)
    except GetTimeoutError as error:
        raise DeadlineError(f"waited {deadline_s:g} s for {what}; {fix}") from error
    except RayTaskError as error:
        raise original(error) from error


def fetch_guarded(reference: Any, what: str, deadline_s: float, ping: Callable[[], Any]) -> Any:
    """`ray.get` of what takes as long as it takes, and whose own waits have deadlines in the actor that does it.

    Args:
        reference: To it.
        what: It is.
        deadline_s: After so long, and again and again, the actor must show that it is there.
        ping: Asks it; gives a reference.

    Raises:
        DeadlineError: It did not answer.
    """
    while not ray.wait([reference], timeout=deadline_s)[0]:
        fetch(ping(), f"a sign of life from what does {what}", 60, "its machine may have too much to do")
    return fetch(reference, what, deadline_s)


async def expect_progress(awaitable: Awaitable[T], what: str, deadline_s: float, progress: Callable[[], object]) -> T:
    """The result of work in many parts. It may take long; `progress`, which says how far it is, may not stand still.

    Raises:
        DeadlineError: It stood still for `deadline_s` seconds.
    """
    work = asyncio.ensure_future(awaitable)
    try:
        before = progress()
        while not (await asyncio.wait([work], timeout=deadline_s))[0]:
            if progress() == before:
                raise DeadlineError(f"waited {deadline_s:g} s for more of {what}; {LONGER}")
            before = progress()
        return await work
    except RayTaskError as error:
        raise original(error) from error
    finally:
        work.cancel()


async def expect(awaitable: Awaitable[T], what: str, deadline_s: float | None) -> T:
    """The same inside an async actor. None: something else ends it."""
    try:
        return await asyncio.wait_for(awaitable, deadline_s)
    except TimeoutError as error:
        raise DeadlineError(f"waited {deadline_s:g} s for {what}; {LONGER}") from error
    except RayTaskError as error:
        raise original(error) from error
