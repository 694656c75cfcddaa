"""The finance verifier; free-text golds are a language model's to judge, if one is named."""

from collections.abc import Mapping
from typing import Any

from rayrl.config import validated
from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify.finance import verdict as finance
from rayrl.verify.finance.gold import read_gold
from rayrl.verify.finance.judge import JudgeError, JudgeSettings, ask_judge, read_rubric


def read_judge(*, judge: Mapping[str, Any] | None = None, **_: object) -> JudgeSettings | None:
    """The judge among the verifier's options, checked.

    Raises:
        ConfigError: `judge` has unknown or missing settings.
        DataError: Its rubric cannot be read.
    """
    if not judge:
        return None
    settings = validated(JudgeSettings, "judge", judge)
    read_rubric(settings.rubric)
    return settings


def verify(
    response: str,
    gold: str,
    *,
    question: str = "",
    scale: str | None = None,
    tolerance: float | str | None = None,
    judge: Mapping[str, Any] | None = None,
) -> Verdict:
    """`rayrl.verify.finance.verdict.verify`; with `judge`, free-text golds are the judge's.

    Args:
        response, gold, question, scale, tolerance: As there.
        judge: `JudgeSettings` as a mapping: `url`, `model`, …

    Returns:
        As there; `decided_by` is judge where the judge was asked; error with score None where it gave no verdict.
        Refusals and responses without an answer never go to the judge.

    Raises:
        ConfigError: `judge` has unknown or missing settings.
    """
    settings = validated(JudgeSettings, "judge", judge) if judge else None
    verdict = finance.verify(response, gold, question=question, scale=scale, tolerance=tolerance)
    if settings is None or verdict.status not in ("correct", "incorrect") or read_gold(gold).kind != "text":
        return verdict
    try:
        correct, reason = ask_judge(settings, question, gold, response)
    except (JudgeError, DataError) as error:
        return Verdict(None, "error", f"judge: {error}", decided_by="judge")
    return Verdict(float(correct), "correct" if correct else "incorrect", reason, decided_by="judge")
