"""Likelihoods by the fleet: asked for again where an actor dies, for one's own sets and for lm-evaluation-harness."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from rayrl.actors.evaluation import evaluate_set
from rayrl.actors.fleet import Fleet
from rayrl.actors.harness import FleetGenerators
from rayrl.actors.records import Records
from rayrl.config import DatasetSettings, EvaluationSet, GRPOConfig, PromptSettings, RewardSettings
from rayrl.errors import DeadlineError
from rayrl.evaluate.answers import AnswerFile, Answers
from rayrl.types import Prompt, Rollout, Sampling, Score


class Generator:
    """The longer a continuation the more probable; dies in its first `deaths` calls."""

    def __init__(self, deaths: int = 0, hangs: bool = False) -> None:
        self.deaths, self.hangs = deaths, hangs
        self.most = self.now = 0
        self.start = SimpleNamespace(remote=self._start)
        self.score = SimpleNamespace(remote=self._score)
        self.generate = SimpleNamespace(remote=self._generate)

    async def _start(self) -> None:
        pass

    async def _score(self, token_ids: list[int], continuations: list[list[int]]) -> list[Score]:
        await self._answer()
        return [Score([-1 / len(one)] * len(one) * len(one), False) for one in continuations]

    async def _generate(self, token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        await self._answer()
        return [Rollout("", token_ids, [0.0], [0], "stop")]

    async def _answer(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(3600 if self.hangs else 0.01)
        self.now -= 1
        if self.deaths:
            self.deaths -= 1
            raise ActorDiedError


def fleet(*generators: Generator, deadline_s: float = 5) -> Fleet:
    config = GRPOConfig.model_validate(
        {
            "run": {"deadlines": {"evaluation_s": deadline_s}},
            "model": {"path": "x"},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "steps": 1,
        }
    )
    return Fleet(config, list(generators), [], Records())


async def test_a_generator_that_dies_over_likelihoods_is_revived_and_asked_again() -> None:
    asked = fleet(Generator(deaths=2))
    (score,) = await asked.score("likelihoods", [1], [[2, 3]])
    assert score.logprobs == [-0.5] * 4
    assert len(asked.records) == 2


async def test_choices_are_rows_and_no_verifier_is_asked() -> None:
    row = {"question": "?", "answer": "B", "choices": ["x", "yy"]}
    prompts = [Prompt(f"p{number}", "", [number], row, [[1, 1], [1]]) for number in range(3)]
    chosen = EvaluationSet(
        "own",
        "benchmarks.own.data",
        DatasetSettings(source="x"),
        PromptSettings(),
        [RewardSettings(function="choice")],
        0.0,
        1.0,
        8,
        method="likelihood_letter",
    )
    asked = fleet(Generator())
    rows = await evaluate_set(chosen, prompts, 0, asked)
    assert [(one["prompt_id"], one["extracted"], one["score"]) for one in rows] == [
        (f"p{number}", "B", 1.0) for number in range(3)
    ]
    assert str(asked.records.phase) == "evaluate own 3/3"


async def test_another_thread_asks_for_all_at_once_and_gets_it_in_order() -> None:
    one, other = Generator(), Generator(deaths=1)
    asked = fleet(one, other)
    generators = FleetGenerators(asked, asyncio.get_running_loop(), "mmlu")
    found = await asyncio.to_thread(generators.score, [([1], [[1] * size]) for size in range(1, 41)])
    assert [len(score.logprobs) for (score,) in found] == [size * size for size in range(1, 41)]
    assert one.most > 10
    sampling = Sampling(0.0, 1.0, 4)
    rollouts = await asyncio.to_thread(generators.generate, [([size], sampling) for size in range(40)])
    assert [rollout.token_ids for rollout in rollouts] == [[size] for size in range(40)]
    assert str(asked.records.phase) == "evaluate mmlu 40/40"


async def test_what_was_answered_is_not_asked_again_and_comes_back_as_it_was(tmp_path: Path) -> None:
    """Through the records that the driver writes down, and its file; another model's answers are not taken."""
    asked = fleet(Generator())
    loop, sampling = asyncio.get_running_loop(), Sampling(1.0, 1.0, 4)
    prompts = [([size], sampling) for size in range(4)] + [([0], replace(sampling, seed=1))]
    scored = [([1], [[1] * size, [2]]) for size in range(1, 4)]
    first = FleetGenerators(asked, loop, "x", Answers({}, asked.records.add))
    before = await asyncio.to_thread(first.generate, prompts), await asyncio.to_thread(first.score, scored)
    path = tmp_path / "answers.jsonl"
    for _ in range(2):  # told twice, as after the restart of a coordinator
        file = AnswerFile(path)
        for record in asked.records.after(0, ""):
            file.keep("model", record)
        file.close()
    assert len(path.read_text().splitlines()) == 8
    file = AnswerFile(path)
    assert file.known("mode") == {}
    nobody = fleet(Generator(hangs=True), deadline_s=0.2)
    second = FleetGenerators(nobody, loop, "x", Answers(file.known("model"), nobody.records.add))
    after = await asyncio.to_thread(second.generate, prompts), await asyncio.to_thread(second.score, scored)
    assert after[1] == before[1]
    parts = [[(one.text, one.token_ids, one.finish_reason) for one in found] for found in (before[0], after[0])]
    assert parts[0] == parts[1]
    assert (len(nobody.records), str(nobody.records.phase)) == (0, "evaluate x 3/3")
    with pytest.raises(DeadlineError):
        await asyncio.to_thread(second.generate, [([0], replace(sampling, max_tokens=5))])
    file.close()


def test_likelihoods_that_json_has_no_number_for_are_asked_again() -> None:
    kept: list[Any] = []
    Answers({}, kept.append).add("r", [Score([-1.0], True), Score([-math.inf], False)])
    assert kept == []


async def test_the_other_thread_waits_no_longer_than_the_deadline() -> None:
    asked = fleet(Generator(hangs=True), deadline_s=0.2)
    generators = FleetGenerators(asked, asyncio.get_running_loop(), "mmlu")
    with pytest.raises((DeadlineError, TimeoutError)):
        await asyncio.wait_for(asyncio.to_thread(generators.score, [([1], [[1]])]), 5)


def test_nothing_is_asked_of_generators_where_nothing_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    from rayrl.actors.harness import Harness

    config: Any = SimpleNamespace(harness_tasks={})
    found = asyncio.run(Harness(config, fleet(Generator())).evaluate())
    assert (found.rows, found.figures) == ({}, {})
