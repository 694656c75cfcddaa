"""`rayrl verify`: judges the rows of a file with the verifiers that training uses, on the same pool."""

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rayrl.commands.agreement import agreement_table
from rayrl.commands.output import require_output
from rayrl.config import RewardSettings, VerifierSettings
from rayrl.errors import ConfigError, DataError, DeadlineError, listed
from rayrl.folders import require_writable
from rayrl.progress import progress_bars
from rayrl.types import STATUSES, Decider, Verdict
from rayrl.verify.files import Row, VerdictFile, check_rows, fingerprint, read_rows
from rayrl.verify.finance.judge import read_rubric
from rayrl.verify.golds import check_golds
from rayrl.verify.registry import VERIFIERS
from rayrl.verify.rewards import function_paths

CHUNK = 32
START_S = 120.0


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What `rayrl verify` was asked for. options: keyword arguments of the verifier. label_column: or None."""

    verifier: str
    input: Path
    output: Path
    overwrite: bool
    skip_bad_golds: bool
    settings: VerifierSettings
    options: dict[str, Any]
    label_column: str | None = None


def run_verify(asked: VerifyOptions) -> int:
    """Verifies every row and writes one verdict a row, in the same order.

    Raises:
        ConfigError: The output exists and `overwrite` is off, or the verifier has no such option.
        DataError: Bad rows, golds that cannot be read and are not to be skipped, or a rubric that cannot be read.
        DeadlineError: A verifier does not answer.
    """
    reward = RewardSettings(function=asked.verifier, options=asked.options)
    function_paths([reward])
    tolerance = asked.options.get("tolerance")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise ConfigError(f"--tolerance {tolerance:g}: give a share from 0 to below 1, such as 0.01")
    require_output(asked.output, asked.overwrite)
    judge = VERIFIERS[asked.verifier].read_judge(**reward.options)
    if judge and judge.cache:
        require_writable(judge.cache, "--judge-cache")
    digest = check_rows(asked.input, asked.label_column)
    bad = _bad_golds(asked, reward)
    console = Console(stderr=True)
    if bad:
        console.print(f"{bad} golds cannot be read: their rows get status error and no score", highlight=False)
    rubric = read_rubric(judge.rubric) if judge else None
    verdicts = VerdictFile(asked.output, fingerprint(asked.verifier, reward.options, rubric, digest))
    if verdicts.done:
        console.print(f"resumes after the {verdicts.done} verdicts of an interrupted run", highlight=False)
    earlier = verdicts.done
    try:
        seconds = _verify_rest(asked, reward, verdicts, console)
        verdicts.finish()
    finally:
        verdicts.close()
    _summary(verdicts.verdicts, len(verdicts.verdicts) - earlier, seconds)
    if asked.label_column:
        table, unlabeled = agreement_table(
            verdicts.verdicts, (row.label for row in read_rows(asked.input, asked.label_column))
        )
        shown = Console(width=100)
        shown.print(table)
        shown.print(f"{unlabeled} rows without {asked.label_column!r}", highlight=False)
    print(asked.output)
    return 0


def _verify_rest(asked: VerifyOptions, reward: RewardSettings, verdicts: VerdictFile, console: Console) -> float:
    """Appends the verdicts that are not there yet; returns the seconds that they took, without Ray's start."""
    total = sum(1 for _ in read_rows(asked.input))
    if verdicts.done == total:
        return 0.0
    with _verifiers(reward, asked.settings) as actors, progress_bars(console) as progress:
        started = time.monotonic()
        task = progress.add_task(f"verify {asked.verifier}", total=total, completed=verdicts.done)
        for rows, results in judge(actors, asked.settings, islice(read_rows(asked.input), verdicts.done, None)):
            for row, verdict in zip(rows, results, strict=True):
                verdicts.append(row, verdict)
            progress.advance(task, len(rows))
        return time.monotonic() - started


def _bad_golds(asked: VerifyOptions, reward: RewardSettings) -> int:
    """How many golds cannot be read; an error that lists them where they are not to be skipped."""
    lines: list[int] = []

    def golds() -> Iterator[dict[str, Any]]:
        for row in read_rows(asked.input):
            lines.append(row.line)
            yield {name: value for name, value in row.columns.items() if name not in ("response", "question")}

    problems = check_golds(golds(), [reward], "gold", asked.settings)
    if problems and (not asked.skip_bad_golds or len(problems) == len(lines)):
        named = listed([f"line {lines[index]}: {reason}" for index, reason in problems])
        raise DataError(
            f"--input: {len(problems)} of {len(lines)} golds cannot be read:\n{named}\n"
            "mend them, or pass --bad-golds skip: their rows then get status error and no score"
        )
    return len(problems)


@contextmanager
def _verifiers(reward: RewardSettings, settings: VerifierSettings) -> Iterator[list[Any]]:
    """Verifier actors that are up. One that dies is restarted, and asked again what it was asked."""
    import ray

    from rayrl.actors.verifier import VerifierActor
    from rayrl.train.cluster import connect

    with connect():
        remote = ray.remote(VerifierActor).options(
            num_cpus=settings.cpus, max_restarts=-1, max_task_retries=-1, max_concurrency=1000
        )
        actors = [remote.remote([reward], settings, "gold") for _ in range(settings.actors)]
        for actor in actors:
            _get(actor.ping.remote(), START_S, "the verifier actors to start")
        yield actors


def judge(
    actors: Sequence[Any], settings: VerifierSettings, rows: Iterator[Row]
) -> Iterator[tuple[list[Row], list[Verdict]]]:
    """Chunks of rows with their verdicts, in order, with a few chunks under way for each actor."""
    in_flight = len(actors) * (4 + 2 * settings.processes_per_actor)
    longest = START_S + settings.deadline_s * CHUNK * (in_flight + 1)
    waiting: deque[tuple[list[Row], Any]] = deque()
    for turn in count():
        chunk = list(islice(rows, CHUNK))
        if chunk:
            waiting.append((chunk, actors[turn % len(actors)].judge.remote([row.columns for row in chunk])))
        while waiting and (not chunk or len(waiting) >= in_flight):
            done, reference = waiting.popleft()
            yield done, _get(reference, longest, f"the verdicts on lines {done[0].line} to {done[-1].line}")
        if not chunk:
            return


def _get(reference: Any, timeout_s: float, what: str) -> Any:
    import ray

    try:
        return ray.get(reference, timeout=timeout_s)
    except ray.exceptions.GetTimeoutError as error:
        raise DeadlineError(f"waited {timeout_s:.0f} s for {what}") from error


def _summary(verdicts: Sequence[tuple[str, float | None, Decider]], judged: int, seconds: float) -> None:
    counts = Counter(status for status, _, _ in verdicts)
    table = Table("status", "rows", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    for status in STATUSES:
        if counts[status]:
            table.add_row(status, str(counts[status]), f"{counts[status] / len(verdicts):.1%}")
    console = Console(width=100)
    console.print(table)
    scores = [score for _, score, _ in verdicts if score is not None]
    low = sum(decider == "overlap" for _, _, decider in verdicts)
    rate = f"{judged / seconds:.0f} verdicts/s" if seconds else "nothing left to judge"
    mean = f"mean score {sum(scores) / len(scores):.3f} of {len(scores)} scored rows" if scores else "no row was scored"
    console.print(f"{mean}, {low} by overlap, of low confidence; {rate}", highlight=False)


def default_processes() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
