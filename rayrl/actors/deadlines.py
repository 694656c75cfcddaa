"""Every wait on Ray has a deadline and says what it waited for; errors arrive as they were raised."""

import asyncio
from collections.abc import Awaitable
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


async def expect(awaitable: Awaitable[T], what: str, deadline_s: float) -> T:
    """The same inside an async actor."""
    try:
        return await asyncio.wait_for(awaitable, deadline_s)
    except TimeoutError as error:
        raise DeadlineError(f"waited {deadline_s:g} s for {what}; {LONGER}") from error
    except RayTaskError as error:
        raise original(error) from error
