"""Samples what is missing of one model: generators and verifiers of a run, without a learner.

Each sample is asked for by itself, so that it can be written down as soon as it is there. A generator or verifier that
dies is revived by the coordinator's fleet, as in any run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import ray

from rayrl.actors.admission import CoordinatorState
from rayrl.actors.coordinator import PromptSets
from rayrl.actors.deadlines import LONGER, fetch, fetch_guarded
from rayrl.actors.records import News
from rayrl.errors import DeadlineError, RayrlError
from rayrl.evaluate.draws import Draw
from rayrl.evaluate.plan import EvalPlan, in_flight
from rayrl.generate.packets import pack
from rayrl.rollout_row import EvaluationRow
from rayrl.train.run_actors import RunActors

TakeRow = Callable[[Draw, EvaluationRow], None]
TakeEvent = Callable[[str, str], None]


def sample(plan: EvalPlan, draws: Sequence[Draw], take: TakeRow, tell: TakeEvent) -> None:
    """Samples `draws`. Ray must be connected.

    Args:
        plan: Of the model.
        draws: What to sample, in any order.
        take: Called with each row, in the order in which they come.
        tell: Called with each event (an actor was lost) and its detail.

    Raises:
        RayrlError: What made a generator or verifier fail; no actor is left running.
        DeadlineError: None was complete within `run.deadline_s`.
    """
    deadline_s, tasks = plan.config.run.deadline_s, plan.config.harness_tasks
    with _actors(plan) as actors:
        events = _Events(actors.coordinator, tell)
        todo, waiting = (draw for draw in draws if draw.benchmark not in tasks), dict[Any, Draw]()
        while True:
            for draw in islice(todo, in_flight(plan.config) - len(waiting)):
                waiting[actors.coordinator.draw.remote(draw.benchmark, draw.index, draw.sample)] = draw
            if not waiting:
                break
            for reference in _next(list(waiting), deadline_s):
                draw = waiting.pop(reference)
                take(draw, fetch(reference, f"sample {draw.sample} of {draw.benchmark}-{draw.index}", deadline_s))
            events.pass_on()
        for name in dict.fromkeys(draw.benchmark for draw in draws if draw.benchmark in tasks):
            asked = actors.coordinator.evaluate_harness.remote([name])
            ping = actors.coordinator.ping.remote
            rows = fetch_guarded(asked, f"the evaluation of {name}", deadline_s, ping).rows[name]
            for draw in draws:
                if draw.benchmark == name:
                    take(draw, rows[draw.index])
            events.pass_on()


@contextmanager
def _actors(plan: EvalPlan) -> Iterator[RunActors]:
    """Actors that are up, generators with the model's adapter."""
    config, target = plan.config, plan.target
    actors = RunActors(config, plan.model, target.adapter_config, PromptSets([], plan.sets.prompts))
    longest = config.run.deadline_s + 30  # the coordinator has the deadline, and the better message
    try:
        ready = actors.coordinator.restore.remote(CoordinatorState(0), actors.prompts)
        fetch(ready, "generators and verifiers to start", longest)
        if target.adapter:
            packets = [ray.put(packet) for packet in pack(target.adapter_tensors())]
            fetch(actors.coordinator.publish.remote(0, packets), "generators to load the adapter", longest)
        yield actors
    except ray.exceptions.RayActorError as error:
        raise RayrlError(f"the coordinator died: {error}; the same command goes on where this one ended") from error
    finally:
        actors.stop()


def _next(waiting: list[Any], deadline_s: float) -> list[Any]:
    """Those that are there, at least one."""
    ready, others = ray.wait(waiting, num_returns=1, timeout=deadline_s + 30)
    if not ready:
        raise DeadlineError(f"waited {deadline_s + 30:g} s for any of {len(waiting)} samples; {LONGER}")
    more, _ = ray.wait(others, num_returns=len(others), timeout=0) if others else ([], [])
    found: list[Any] = [*ready, *more]
    return found


class _Events:
    """Those of the coordinator, each passed on once."""

    def __init__(self, coordinator: Any, tell: TakeEvent) -> None:
        self._coordinator, self._tell = coordinator, tell
        self._seen, self._token = 0, ""

    def pass_on(self) -> None:
        asked = self._coordinator.poll.remote(self._seen, self._token)
        news: News = fetch(asked, "the coordinator's records", 60, "its machine may have too much to do")
        self._seen, self._token = self._seen + len(news.records), news.token
        for record in news.records:
            self._tell(record["event"], record["detail"])
