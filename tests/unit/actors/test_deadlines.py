"""A wait that ran past its deadline says what would help, which is not always the run's own deadline."""

import asyncio
import time

import pytest
import ray
from ray.exceptions import GetTimeoutError

from rayrl.actors.deadlines import expect, expect_progress, fetch, fetch_guarded, watched
from rayrl.config.deadlines import BUSY, Deadline, DeadlineSettings
from rayrl.errors import DeadlineError


async def test_the_fix_is_the_deadlines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(reference: object, timeout: float) -> None:
        raise GetTimeoutError

    monkeypatch.setattr(ray, "get", late)
    with pytest.raises(DeadlineError, match=r"waited 60 s for a verdict; raise judge\.deadline_s"):
        fetch(None, "a verdict", Deadline.of("judge.deadline_s", 60))
    with pytest.raises(DeadlineError, match=r"waited 0\.01 s for a batch; raise run\.deadlines\.step_s"):
        await expect(asyncio.sleep(1), "a batch", DeadlineSettings(step_s=0.01).step)


async def test_work_may_take_long_as_long_as_it_gets_further() -> None:
    done, soon = 0, DeadlineSettings(evaluation_s=0.15).evaluation

    async def work() -> str:
        nonlocal done
        for _ in range(4):
            await asyncio.sleep(0.1)
            done += 1
        return "all"

    assert await expect_progress(work(), "parts", soon, lambda: done) == "all"
    with pytest.raises(DeadlineError, match=r"waited 0\.15 s for more of parts; raise run\.deadlines\.evaluation_s"):
        await expect_progress(work(), "parts", soon, lambda: 0)


def test_an_actor_that_works_long_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("ray.wait", lambda refs, timeout: (refs, []) if len(asked) == 3 else ([], refs))
    monkeypatch.setattr("ray.get", lambda reference, timeout: reference)
    assert fetch_guarded("rows", "an evaluation", BUSY, lambda: asked.append("there?")) == "rows"
    assert len(asked) == 3

    def dead(reference: object, timeout: float) -> None:
        raise GetTimeoutError

    monkeypatch.setattr("ray.wait", lambda refs, timeout: ([], refs))
    monkeypatch.setattr("ray.get", dead)
    with pytest.raises(DeadlineError, match="a sign of life from what does an evaluation"):
        fetch_guarded("rows", "an evaluation", BUSY, lambda: None)


def test_work_that_hangs_is_told_while_it_hangs() -> None:
    told: list[DeadlineError] = []
    with watched("a rank to read the model", DeadlineSettings(start_s=0.05).start, told.append):
        until = time.monotonic() + 5
        while not told and time.monotonic() < until:
            time.sleep(0.01)
    (error,) = told
    assert str(error) == ("waited 0.05 s for a rank to read the model; raise run.deadlines.start_s if it needs longer")
    with watched("what is done", DeadlineSettings(start_s=0.05).start, told.append):
        pass
    time.sleep(0.1)
    assert told == [error]
