"""A wait that ran past its deadline says what would help, which is not always the run's own deadline."""

import asyncio

import pytest
import ray
from ray.exceptions import GetTimeoutError

from rayrl.actors.deadlines import expect, fetch
from rayrl.errors import DeadlineError


async def test_the_fix_is_the_deadlines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(reference: object, timeout: float) -> None:
        raise GetTimeoutError

    monkeypatch.setattr(ray, "get", late)
    with pytest.raises(DeadlineError, match=r"waited 60 s for a verdict; raise judge\.deadline_s"):
        fetch(None, "a verdict", 60, "raise judge.deadline_s if it needs longer")
    with pytest.raises(DeadlineError, match=r"waited 0\.01 s for a batch; raise run\.deadline_s"):
        await expect(asyncio.sleep(1), "a batch", 0.01)
