"""One completion of each prompt of an evaluated set, scored."""

import asyncio

from rayrl.actors.deadlines import expect
from rayrl.actors.fleet import Fleet
from rayrl.actors.records import Phase
from rayrl.config import EvaluationSet
from rayrl.rollout_row import EvaluationRow, evaluation_row
from rayrl.types import Prompt, Sampling


async def evaluate_set(chosen: EvaluationSet, prompts: list[Prompt], seed: int, fleet: Fleet) -> list[EvaluationRow]:
    """A row for each prompt, in order.

    Raises:
        DeadlineError: They were not complete within the run's deadline.
    """
    sampling = Sampling(chosen.temperature, chosen.top_p, chosen.max_tokens, seed=seed)
    done = 0

    async def evaluate(prompt: Prompt) -> EvaluationRow:
        nonlocal done
        group = await fleet.group(prompt, sampling, chosen.name)
        done += 1
        fleet.records.phase = Phase(f"evaluate {chosen.name}", done, len(prompts))
        return evaluation_row(group)

    rows = asyncio.gather(*map(evaluate, prompts))
    return await expect(rows, f"the {len(prompts)} completions of {chosen.name}", fleet.deadline_s)
