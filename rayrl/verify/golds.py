"""Which gold answers can no verifier read? Asked before training starts, in workers that can be killed."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track

from rayrl.config import RewardSettings, VerifierSettings
from rayrl.verify.numbers import parse_number
from rayrl.verify.registry import VERIFIERS
from rayrl.verify.rewards import verdict_of
from rayrl.verify.text import gold_text
from rayrl.verify.workers.jobs import Check
from rayrl.verify.workers.pool import WorkerPool

FEW = 200
SHORT = 12  # characters; of 17, `((((((((x))))))))` takes seconds
BLOCK = 1000


def _is_cheap(gold: str) -> bool:
    """Whether it can be read without a deadline."""
    return len(gold) <= SHORT or parse_number(gold) is not None


def _ask(checks: Sequence[Check], settings: VerifierSettings) -> list[str | None]:
    """For each gold, why it cannot be read, or None. A few cheap ones are read here, others in a pool of a worker for
    each core."""
    name = checks[0].verifier
    if len(checks) <= FEW and all(_is_cheap(check.gold) for check in checks):
        verdicts = [VERIFIERS[name].verify(check.response, check.gold, **check.options) for check in checks]
    else:
        cores = len(os.sched_getaffinity(0))
        console = Console(stderr=True)
        with WorkerPool(cores, settings.deadline_s, settings.memory_limit_mb) as pool:
            blocks = [pool.submit_all(checks[start : start + BLOCK]) for start in range(0, len(checks), BLOCK)]
            shown = track(
                blocks, "reading gold answers", console=console, transient=True, disable=not console.is_terminal
            )
            verdicts = [verdict_of(outcome, name) for block in shown for outcome in block.result()]
    return [verdict.reason if verdict.score is None else None for verdict in verdicts]


def check_golds(
    rows: Iterable[Mapping[str, Any]],
    rewards: Sequence[RewardSettings],
    answer_column: str,
    settings: VerifierSettings | None = None,
) -> list[tuple[int, str]]:
    """Which rows the first verifier among `rewards` cannot judge: (index of the row, reason).

    Each gold is put to the verifier with an empty response, once however often it occurs. A gold that takes longer than
    the verifier's deadline is one that cannot be read.
    """
    reward = next((reward for reward in rewards if reward.function in VERIFIERS), None)
    if reward is None:
        return []
    verifier = VERIFIERS[reward.function]
    problems: list[tuple[int, str]] = []
    asked: dict[str, tuple[Check, list[int]]] = {}
    for index, row in enumerate(rows):
        if answer_column not in row:
            problems.append((index, f"no column {answer_column!r}"))
            continue
        options = verifier.options(row, reward.options)
        gold = gold_text(row[answer_column])
        key = repr((gold, options.get("scale"), options.get("tolerance")))
        asked.setdefault(key, (Check(reward.function, "", gold, options), []))[1].append(index)
    if asked:
        reasons = _ask([check for check, _ in asked.values()], settings or VerifierSettings())
        for reason, (_, indices) in zip(reasons, asked.values(), strict=True):
            problems += [(index, reason) for index in indices if reason is not None]
    return sorted(problems)
