"""From a prompt's row and its completions to rewards: which jobs to run, and what their outcomes are worth."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayrl.config import RewardSettings
from rayrl.errors import ConfigError, DataError, RewardError
from rayrl.plugins import load
from rayrl.types import Verdict
from rayrl.verify.registry import VERIFIERS
from rayrl.verify.text import gold_text
from rayrl.verify.workers.jobs import Call, Check, Job, Outcome

FUNCTIONS = {"format": "rayrl.verify.formats:think_answer", "length": "rayrl.verify.formats:soft_overlong"}


@dataclass(slots=True)
class ScoredGroup:
    """What the G completions of one prompt earned.

    rewards: weighted sum over reward functions of what is not None; None where every part is None.
    parts: each reward's own values, unweighted, by its name.
    verdicts: of the first reward that is a verifier; empty where none is.
    problems: what kept a reward function from giving any reward: a time-out or a crash, one line each.
    """

    rewards: list[float | None]  # [G]
    parts: dict[str, list[float | None]]  # name -> [G]
    verdicts: list[Verdict] = field(default_factory=list)  # [G]
    problems: list[str] = field(default_factory=list)


def reward_names(rewards: Sequence[RewardSettings]) -> list[str]:
    """One name for each reward, for metrics: its function, with `_judge` where a language model judges too, and with
    `#2` where the same stands there a second time."""
    names: list[str] = []
    for reward in rewards:
        name = reward.function + ("_judge" if reward.options.get("judge") else "")
        count = sum(one.partition("#")[0] == name for one in names)
        names.append(f"{name}#{count + 1}" if count else name)
    return names


def function_paths(rewards: Iterable[RewardSettings]) -> list[str]:
    """Import paths of the rewards that are functions, and a check of the options of the built-in ones.

    Raises:
        ConfigError: An option that a built-in reward does not have, or one that it needs and lacks.
        DataError: A file that an option names cannot be read.
    """
    paths = []
    for reward in rewards:
        if reward.function in VERIFIERS:
            _check_options(reward, VERIFIERS[reward.function].verify, "", "")
            VERIFIERS[reward.function].read_judge(**reward.options)
            continue
        path = FUNCTIONS.get(reward.function, reward.function)
        if reward.function in FUNCTIONS:
            _check_options(reward, load(path, "rewards.function"), [], completion_tokens=[])
        paths.append(path)
    return paths


def _check_options(reward: RewardSettings, function: Callable[..., Any], *arguments: Any, **columns: Any) -> None:
    try:
        inspect.signature(function).bind(*arguments, **columns, **reward.options)
    except TypeError as error:
        raise ConfigError(f"rewards: options {reward.options} of {reward.function!r}: {error}") from error


def list_jobs(
    rewards: Sequence[RewardSettings],
    answer_column: str,
    columns: Mapping[str, Any],
    completions: list[str],
    completion_tokens: Sequence[int] | None = None,
) -> list[list[Job]]:
    """For each reward, the jobs that score `completions`: G for a verifier, one for a function.

    A function sees the row's columns and `completion_tokens`, the lengths of the completions.

    Raises:
        DataError: A verifier needs the answer column and the row has none.
    """
    repeated = {str(name): [value] * len(completions) for name, value in columns.items()}
    if completion_tokens is not None:
        repeated["completion_tokens"] = list(completion_tokens)
    listed: list[list[Job]] = []
    for reward in rewards:
        if reward.function not in VERIFIERS:
            function = FUNCTIONS.get(reward.function, reward.function)
            listed.append([Call(function, completions, repeated, reward.options)])
            continue
        if answer_column not in columns:
            raise DataError(f"the row has no column {answer_column!r}, only {', '.join(map(repr, columns))}")
        gold = gold_text(columns[answer_column])
        options = VERIFIERS[reward.function].options(columns, reward.options)
        listed.append([Check(reward.function, text, gold, options) for text in completions])
    return listed


def verdict_of(outcome: Outcome, name: str) -> Verdict:
    """The verdict that a verifier's outcome is; one without a score where the verifier itself failed."""
    if outcome.kind == "done":
        assert isinstance(outcome.value, Verdict)
        return outcome.value
    if outcome.kind == "timeout":
        return Verdict(None, "timeout", outcome.reason)
    return Verdict(None, "error", f"{name}: {outcome.reason}")


def combine(rewards: Sequence[RewardSettings], outcomes: Sequence[Sequence[Outcome]], group_size: int) -> ScoredGroup:
    """Weighted sums of the outcomes of `list_jobs`.

    Raises:
        RewardError: A reward function raised, or returned what is not one number or None per completion.
    """
    group = ScoredGroup([None] * group_size, {})
    for reward, name, results in zip(rewards, reward_names(rewards), outcomes, strict=True):
        if reward.function in VERIFIERS:
            verdicts = [verdict_of(outcome, name) for outcome in results]
            group.verdicts = group.verdicts or verdicts
            part = [verdict.score for verdict in verdicts]
        elif results[0].kind == "raised":
            raise RewardError(f"reward function {reward.function!r}: {results[0].reason}")
        elif results[0].kind == "done":
            assert isinstance(results[0].value, list)
            part = results[0].value
        else:
            group.problems.append(f"{name}: {results[0].kind}: {results[0].reason}")
            part = [None] * group_size
        group.parts[name] = part
        for index, value in enumerate(part):
            if value is not None:
                group.rewards[index] = (group.rewards[index] or 0.0) + reward.weight * value
    return group
