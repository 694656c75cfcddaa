"""Tasks of lm-evaluation-harness by the run's generators: its code runs in a thread beside the coordinator's loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rayrl.actors.deadlines import expect_progress
from rayrl.actors.fleet import Fleet
from rayrl.actors.records import Phase
from rayrl.config import EvaluationConfig, HarnessSettings
from rayrl.evaluate.answers import Answers, completion_key, likelihood_key
from rayrl.jsonl import Record
from rayrl.models import load_tokenizer, resolve_model
from rayrl.rollout_row import EvaluationRow
from rayrl.types import Rollout, Sampling, Score

Q = TypeVar("Q")
A = TypeVar("A", Rollout, list[Score])


@dataclass(frozen=True, slots=True)
class HarnessResult:
    """rows: by the benchmark's name. figures: for metrics.jsonl, as lm-eval aggregates them."""

    rows: dict[str, list[EvaluationRow]]
    figures: dict[str, float]


class FleetGenerators:
    """A fleet, asked from another thread (`rayrl.evaluate.harness_model.Generators`).

    Args:
        fleet: It answers, each question within its deadline.
        loop: The fleet's.
        name: Of the benchmark.
        answers: Those that are there already are not asked for again; None: nothing is kept.
    """

    def __init__(
        self, fleet: Fleet, loop: asyncio.AbstractEventLoop, name: str, answers: Answers | None = None
    ) -> None:
        self._fleet, self._loop, self._name = fleet, loop, name
        self._answers = answers or Answers({}, None)

    def generate(self, prompts: Sequence[tuple[list[int], Sampling]]) -> list[Rollout]:
        async def ask(token_ids: list[int], sampling: Sampling) -> Rollout:
            deadline = self._fleet.deadlines.evaluation
            return (await self._fleet.generate(f"a completion of {self._name}", token_ids, sampling, deadline))[0]

        return self._all(ask, completion_key, prompts)

    def score(self, prompts: Sequence[tuple[list[int], list[list[int]]]]) -> list[list[Score]]:
        async def ask(token_ids: list[int], continuations: list[list[int]]) -> list[Score]:
            return await self._fleet.score(f"likelihoods of {self._name}", token_ids, continuations)

        return self._all(ask, likelihood_key, prompts)

    def _all(
        self,
        ask: Callable[[list[int], Q], Awaitable[A]],
        key: Callable[[list[int], Q], str],
        requests: Sequence[tuple[list[int], Q]],
    ) -> list[A]:
        keys, done = [key(*one) for one in requests], 0  # in this thread: the loop has others to serve

        async def answer(request: str, token_ids: list[int], question: Q) -> A:
            nonlocal done
            found: Any = self._answers.find(request)
            if found is None:
                found = await ask(token_ids, question)
                self._answers.add(request, found)
            done += 1
            self._fleet.records.phase = Phase(f"evaluate {self._name}", done, len(requests))
            answered: A = found
            return answered

        async def together() -> list[A]:
            return await asyncio.gather(*(answer(of, *one) for of, one in zip(keys, requests, strict=True)))

        return asyncio.run_coroutine_threadsafe(together(), self._loop).result()  # each call has its deadline


class Harness:
    """The tasks of a run's benchmarks, each loaded once."""

    def __init__(self, config: EvaluationConfig, fleet: Fleet) -> None:
        self._config, self._fleet = config, fleet
        self._tasks: dict[str, Any] = {}
        self._tokenizer: Any = None

    async def evaluate(
        self, names: Sequence[str] | None = None, known: Mapping[str, Record] | None = None
    ) -> HarnessResult:
        """These benchmarks, or all, one after the other. None may stand still for as long as the run's deadline.

        Args:
            names: Of benchmarks.
            known: Answers that are there already (`Answers`), where each new one is to be a record; None: it is not.

        Raises:
            RayrlError: A task failed, or generators.
        """
        rows: dict[str, list[EvaluationRow]] = {}
        figures: dict[str, float] = {}
        tasks = self._config.harness_tasks
        answers = Answers(known or {}, None if known is None else self._fleet.records.add)
        for name in tasks if names is None else names:
            settings = tasks[name]
            work = asyncio.to_thread(self._evaluate, name, settings, asyncio.get_running_loop(), answers)
            what, deadline = f"the evaluation of {name}", self._fleet.deadlines.evaluation
            rows[name], found = await expect_progress(work, what, deadline, lambda: self._fleet.records.phase)
            figures |= {f"benchmark/{name}/{key}": value for key, value in found.items()}
        return HarnessResult(rows, figures)

    def _evaluate(
        self, name: str, settings: HarnessSettings, loop: asyncio.AbstractEventLoop, answers: Answers
    ) -> tuple[list[EvaluationRow], dict[str, float]]:
        from rayrl.evaluate.harness_model import GeneratorLM
        from rayrl.evaluate.harness_tasks import HarnessTask

        field = f"benchmarks.{name}.lm_eval"
        if name not in self._tasks:
            self._fleet.records.phase = Phase(f"load {name}")
            self._tasks[name] = HarnessTask(settings, field)
        if self._tokenizer is None:
            model = self._config.model
            self._tokenizer = load_tokenizer(resolve_model(model.path), model.chat_template)
        generators = FleetGenerators(self._fleet, loop, name, answers)
        model = GeneratorLM(generators, self._tokenizer, settings.max_length, self._config.run.seed)
        rows, found = self._tasks[name].evaluate(model)
        if model.truncated:
            cut = f"{model.truncated} contexts were cut at their beginning; raise {field}.max_length"
            loop.call_soon_threadsafe(self._fleet.records.add_event, "truncated", f"{name}: {cut}")
        figures = {f"lm_eval/{key}": value for key, value in found.items()}
        return list(rows), {"truncated": float(model.truncated), **figures}
