"""Completions of the prompts of an evaluated set, scored: one, or several samples of each; or most probable choices."""

import asyncio
import zlib
from itertools import product

from rayrl.actors.deadlines import expect_progress
from rayrl.actors.fleet import Fleet, Turn
from rayrl.actors.records import Phase
from rayrl.config import EvaluationSet
from rayrl.evaluate.choices import choice_row
from rayrl.rollout_row import EvaluationRow, evaluation_row
from rayrl.types import Prompt, Sampling


def sampling_of(chosen: EvaluationSet, item: str, sample: int, run_seed: int) -> Sampling:
    """How a sample of an item is drawn: the same whatever is sampled beside it, and by whichever generator.

    Several samples have seeds of their own; where each item has one, that has the run's.
    """
    own = zlib.crc32(f"{run_seed}/{chosen.name}/{item}/{sample}".encode())
    seed = own if chosen.samples > 1 else run_seed
    return Sampling(chosen.temperature, chosen.top_p, chosen.max_tokens, seed=seed)


async def draw(
    chosen: EvaluationSet, prompt: Prompt, sample: int, run_seed: int, fleet: Fleet, turn: Turn | None = None
) -> EvaluationRow:
    """The row of one sample of a prompt, or of its most probable choice."""
    if chosen.method != "generate":
        scores = await fleet.score(f"likelihoods of {prompt.id}", prompt.token_ids, prompt.continuations)
        return choice_row(prompt, chosen.method, scores)
    group = await fleet.group(prompt, sampling_of(chosen, prompt.id, sample, run_seed), chosen.name, turn)
    return evaluation_row(group, sample)


async def evaluate_set(chosen: EvaluationSet, prompts: list[Prompt], seed: int, fleet: Fleet) -> list[EvaluationRow]:
    """A row for each sample of each prompt, in order.

    Raises:
        DeadlineError: None was complete for as long as the run's deadline.
    """
    wanted = list(product(prompts, range(chosen.samples)))
    done = 0

    async def evaluate(prompt: Prompt, sample: int, turn: Turn | None) -> EvaluationRow:
        nonlocal done
        row = await draw(chosen, prompt, sample, seed, fleet, turn)
        done += 1
        fleet.records.phase = Phase(f"evaluate {chosen.name}", done, len(wanted))
        return row

    turns = fleet.together(len(wanted)) if chosen.method == "generate" else [None] * len(wanted)
    rows = asyncio.gather(*(evaluate(*one, turn) for one, turn in zip(wanted, turns, strict=True)))
    what = f"the {len(wanted)} completions of {chosen.name}"
    return await expect_progress(rows, what, fleet.deadlines.evaluation, lambda: done)
