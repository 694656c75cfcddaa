"""The verifier actor: a Ray shell around a pool of killable worker processes."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from rayrl.actors.judge_server import OwnJudge
from rayrl.config import RewardSettings, VerifierSettings
from rayrl.types import Verdict
from rayrl.verify.finance.own_judge import judged_at
from rayrl.verify.rewards import ScoredGroup, combine, function_paths, list_jobs, verdict_of
from rayrl.verify.workers.pool import WorkerPool


class VerifierActor:
    """Scores groups of completions. Many calls of `score` may be in flight: the pool's processes share their jobs.

    Use as `ray.remote(VerifierActor).options(num_cpus=settings.cpus).remote(rewards, settings, answer_column)`. The
    worker processes end with the actor, however it ends.

    Args:
        rewards: The config's `rewards`, as models or as mappings.
        settings: The config's `verifier`, as a model or as a mapping.
        answer_column: The row's column with the gold answer.
        benchmarks: Rewards of sets that have their own, by name.
        judge: The run's generators, where a reward is judged by them.

    Raises:
        ConfigError: A reward function cannot be imported, or an option is unknown.
        DeadlineError: The worker processes did not start.
    """

    def __init__(
        self,
        rewards: Sequence[RewardSettings | Mapping[str, Any]],
        settings: VerifierSettings | Mapping[str, Any],
        answer_column: str,
        benchmarks: Mapping[str, Sequence[RewardSettings]] | None = None,
        judge: OwnJudge | None = None,
    ) -> None:
        self._rewards = [RewardSettings.model_validate(reward) for reward in rewards]
        self._benchmarks = dict(benchmarks or {})
        if judge is not None:
            self._ask_at(judge.serve().url, judge.model)
        everything = [*self._rewards, *chain.from_iterable(self._benchmarks.values())]
        self._answer_column = answer_column
        options = VerifierSettings.model_validate(settings)
        self._pool = WorkerPool(
            options.processes_per_actor, options.deadline_s, options.memory_limit_mb, function_paths(everything)
        )

    def _ask_at(self, url: str, model: str) -> None:
        """Sends the workers to a server on this machine, past any proxy."""
        spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        os.environ["no_proxy"] = ",".join(filter(None, [spared, "127.0.0.1"]))
        self._rewards = judged_at(self._rewards, url, model)
        self._benchmarks = {name: judged_at(rewards, url, model) for name, rewards in self._benchmarks.items()}

    async def score(
        self,
        prompt_columns: Mapping[str, Any],
        completions: Sequence[str],
        completion_tokens: Sequence[int] | None = None,
        benchmark: str = "",
    ) -> ScoredGroup:
        """What each completion of one prompt earns.

        Args:
            prompt_columns: The prompt's dataset row.
            completions: [G] texts.
            completion_tokens: [G] their lengths in tokens: a column of that name for reward functions.
            benchmark: The set that the prompt is of, where that has rewards of its own.

        Raises:
            RewardError: A reward function raised, or returned what is not one number or None per completion.
            DataError: The row lacks the answer column.
        """
        rewards = self._benchmarks.get(benchmark, self._rewards)
        listed = list_jobs(rewards, self._answer_column, prompt_columns, list(completions), completion_tokens)
        outcomes = await asyncio.gather(*(asyncio.wrap_future(self._pool.submit_all(part)) for part in listed))
        return combine(rewards, outcomes, len(completions))

    async def judge(self, rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Verdicts of the one reward, a verifier, on `rows`, each with its own `response`, in their order."""
        listed = [list_jobs(self._rewards, self._answer_column, row, [row["response"]])[0][0] for row in rows]
        outcomes = await asyncio.wrap_future(self._pool.submit_all(listed))
        return [verdict_of(outcome, self._rewards[0].function) for outcome in outcomes]

    async def ping(self) -> int:
        """The actor's process id: it is up, and so are its workers."""
        return os.getpid()

    async def worker_pids(self) -> list[int]:
        """Process ids of its workers."""
        return self._pool.pids()

    async def close(self) -> None:
        """Kills the workers; groups in flight come back without rewards."""
        await asyncio.to_thread(self._pool.close)
