"""Runs one job: a built-in verifier, or a user's reward function, whose answer is checked."""

import inspect
import math
import traceback
from collections.abc import Callable
from typing import Any

from rayrl.plugins import load
from rayrl.verify.registry import VERIFIERS
from rayrl.verify.workers.jobs import Call, Check, Job, Outcome


def execute(job: Job) -> Outcome:
    """Whatever the function raises comes back as text; an exhausted memory limit as a crash."""
    try:
        if isinstance(job, Check):
            return Outcome("done", VERIFIERS[job.verifier].verify(job.response, job.gold, **job.options))
        return Outcome("done", _call(job))
    except MemoryError:
        return Outcome("crashed", reason="out of memory")
    except BaseException as error:
        return Outcome("raised", reason=describe(error))


def describe(error: BaseException) -> str:
    """Type, message and place of what a user's code raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _call(call: Call) -> list[float | None]:
    function = load(call.function, "rewards.function")
    arguments = {**_columns_for(function, call.columns), **call.options}
    arguments.pop("completions", None)
    values = function(list(call.completions), **arguments)
    count = len(call.completions)
    if values is None or isinstance(values, str | bytes | dict):
        raise TypeError(f"returned {type(values).__name__}, not a list of {count} numbers or None")
    rewards = [_reward(value, index) for index, value in enumerate(values)]
    if len(rewards) != count:
        raise ValueError(f"returned {len(rewards)} rewards for {count} completions")
    return rewards


def _columns_for(function: Callable[..., Any], columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """All columns, or those that a function without `**columns` names."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return columns
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return columns
    return {name: values for name, values in columns.items() if name in parameters}


def _reward(value: Any, index: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, str | bytes):
        raise TypeError(f"returned {value!r} for completion {index}, not a number or None")
    try:
        reward = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"returned a {type(value).__name__} for completion {index}, not a number or None") from error
    if not math.isfinite(reward):
        raise ValueError(f"returned {reward} for completion {index}; None says that there is no reward")
    return reward
