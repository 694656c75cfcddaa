"""Samples what is missing of one model: generators and verifiers of a run, without a learner.

Each sample is asked for by itself, so that it can be written down as soon as it is there. A generator or verifier that
dies is revived by the coordinator's fleet, as in any run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import ray

from rayrl.actors.admission import CoordinatorState
from rayrl.actors.coordinator import PromptSets
from rayrl.actors.deadlines import fetch, too_late
from rayrl.actors.records import News, Phase
from rayrl.actors.replicas import LOST
from rayrl.config.deadlines import BUSY, Deadline
from rayrl.errors import RayrlError
from rayrl.evaluate.answers import ANSWER, AnswerFile
from rayrl.evaluate.draws import Draw, model_key
from rayrl.evaluate.plan import EvalPlan, in_flight
from rayrl.generate.packets import pack
from rayrl.jsonl import Record
from rayrl.rollout_row import EvaluationRow
from rayrl.train.run_actors import RunActors

TakeRow = Callable[[Draw, EvaluationRow], None]
TakeEvent = Callable[[str, str], None]
ShowPhase = Callable[[Phase], None]
POLL_S = 1.0
"""Between two looks at what the coordinator has: what it has not passed on yet is lost where the command is killed."""


def sample(
    plan: EvalPlan, draws: Sequence[Draw], take: TakeRow, tell: TakeEvent, answers: AnswerFile, show: ShowPhase
) -> None:
    """Samples `draws`. Ray must be connected.

    Args:
        plan: Of the model.
        draws: What to sample, in any order.
        take: Called with each row, in the order in which they come.
        tell: Called with each event (an actor was lost) and its detail.
        answers: Holds what tasks of lm-evaluation-harness have asked already, and takes what they ask now.
        show: Called with how far such a task is.

    Raises:
        RayrlError: What made a generator or verifier fail; no actor is left running.
        DeadlineError: None was complete within `run.deadlines.evaluation_s`.
    """
    deadline, tasks = plan.config.run.deadlines.evaluation, plan.config.harness_tasks
    with _actors(plan) as actors:
        model = model_key(plan.config, plan.target.fingerprint)
        news = _News(actors.coordinator, tell, partial(answers.keep, model), show)
        todo, waiting = (draw for draw in draws if draw.benchmark not in tasks), dict[Any, Draw]()
        while True:
            for draw in islice(todo, in_flight(plan.config) - len(waiting)):
                waiting[actors.coordinator.draw.remote(draw.benchmark, draw.index, draw.sample)] = draw
            if not waiting:
                break
            for reference in _next(list(waiting), deadline.behind):
                draw = waiting.pop(reference)
                take(draw, fetch(reference, f"sample {draw.sample} of {draw.benchmark}-{draw.index}", deadline))
            news.pass_on()
        for name in dict.fromkeys(draw.benchmark for draw in draws if draw.benchmark in tasks):
            asked = actors.coordinator.evaluate_harness.remote([name], answers.known(model))
            while not ray.wait([asked], timeout=POLL_S)[0]:  # the coordinator has the deadline
                news.pass_on()
            rows = fetch(asked, f"the evaluation of {name}", deadline).rows[name]
            for draw in draws:
                if draw.benchmark == name:
                    take(draw, rows[draw.index])
            news.pass_on()


@contextmanager
def _actors(plan: EvalPlan) -> Iterator[RunActors]:
    """Actors that are up, generators with the model's adapter."""
    config, target = plan.config, plan.target
    actors = RunActors(config, plan.model, target.adapter_config, PromptSets([], plan.sets.prompts))
    deadlines = config.run.deadlines
    try:
        ready = actors.coordinator.restore.remote(CoordinatorState(0), actors.prompts)
        fetch(ready, "generators and verifiers to start", deadlines.start.behind)
        if target.adapter:
            packets = [ray.put(packet) for packet in pack(target.adapter_tensors())]
            loaded = actors.coordinator.publish.remote(0, packets)
            fetch(loaded, "generators to load the adapter", deadlines.longest.behind)
        yield actors
    except LOST as error:
        raise RayrlError(f"the coordinator died: {error}; the same command goes on where this one ended") from error
    finally:
        actors.stop()


def _next(waiting: list[Any], deadline: Deadline) -> list[Any]:
    """Those that are there, at least one."""
    ready, others = ray.wait(waiting, num_returns=1, timeout=deadline.seconds)
    if not ready:
        raise too_late(f"any of {len(waiting)} samples", deadline)
    more, _ = ray.wait(others, num_returns=len(others), timeout=0) if others else ([], [])
    found: list[Any] = [*ready, *more]
    return found


class _News:
    """Events and answers that the coordinator has, each passed on once."""

    def __init__(self, coordinator: Any, tell: TakeEvent, keep: Callable[[Record], None], show: ShowPhase) -> None:
        self._coordinator, self._tell, self._keep, self._show = coordinator, tell, keep, show
        self._seen, self._token = 0, ""

    def pass_on(self) -> None:
        asked = self._coordinator.poll.remote(self._seen, self._token)
        news: News = fetch(asked, "the coordinator's records", BUSY)
        self._seen, self._token = self._seen + len(news.records), news.token
        self._show(news.phase)
        for record in news.records:
            if record["kind"] == ANSWER:
                self._keep(record)
            else:
                self._tell(record["event"], record["detail"])
