"""Rewards that the run's own generators judge: which they are, and where their workers find those."""

from collections.abc import Iterable, Sequence

from rayrl.config import RewardSettings
from rayrl.verify.finance.judge import JudgeSettings
from rayrl.verify.registry import VERIFIERS

VERDICT_SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["correct", "incorrect"]},
        "reason": {"type": "string", "maxLength": 120},
    },
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}


def _judge(reward: RewardSettings) -> JudgeSettings | None:
    return VERIFIERS[reward.function].read_judge(**reward.options) if reward.function in VERIFIERS else None


def own_judges(rewards: Iterable[RewardSettings]) -> list[JudgeSettings]:
    """The judges among `rewards` that are the run's own generators.

    Raises:
        ConfigError: A judge has unknown or missing settings.
        DataError: Its rubric cannot be read.
    """
    return [judge for judge in map(_judge, rewards) if judge is not None and judge.generators]


def judged_at(rewards: Sequence[RewardSettings], url: str, model: str) -> list[RewardSettings]:
    """`rewards` with an endpoint for each judge that is the run's own generators."""
    placed = []
    for reward in rewards:
        judge = _judge(reward)
        if judge is not None and judge.generators:
            own = judge.model_dump(mode="json", exclude_none=True)
            own |= {"generators": False, "url": url, "model": model, "api_key_variable": None}
            reward = reward.model_copy(update={"options": reward.options | {"judge": own}})
        placed.append(reward)
    return placed
