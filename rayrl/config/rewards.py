"""`rewards` and `verifier`: what scores completions, and in which processes."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rayrl.config.settings import Settings
from rayrl.plugins import is_import_path

BUILT_IN_REWARDS = ("maths", "finance", "choice", "format", "length")


class RewardSettings(Settings):
    function: str
    """`maths`, `finance`, `choice` (verifiers), `format` (think and answer tags), `length` (soft overlong penalty), or
    `package.module:function` called as `f(completions, **columns)` returning `list[float | None]`; None means no
    reward for this completion. `columns` are the row's, and `completion_tokens`."""
    weight: float = 1.0
    """Factor in the sum of rewards."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the verifier or function."""

    @field_validator("options")
    @classmethod
    def absolute(cls, options: dict[str, Any], given: ValidationInfo) -> dict[str, Any]:
        judge = options.get("judge")
        if given.data.get("function") not in BUILT_IN_REWARDS or not isinstance(judge, dict):
            return options
        files = {name: judge[name] for name in ("rubric", "cache") if isinstance(judge.get(name), str | Path)}
        absolute = {name: str(Path(file).absolute()) for name, file in files.items()}
        return options | {"judge": judge | absolute}  # actors run in folders of their own


def _require_known(rewards: list[RewardSettings]) -> list[RewardSettings]:
    for reward in rewards:
        if reward.function not in BUILT_IN_REWARDS and not is_import_path(reward.function):
            raise ValueError(
                f"function {reward.function!r} is neither built in ({', '.join(BUILT_IN_REWARDS)}) nor an import "
                "path 'package.module:function'"
            )
    return rewards


Rewards = Annotated[list[RewardSettings], Field(min_length=1), AfterValidator(_require_known)]
"""Functions of a weighted sum, each of them built in or an import path."""


class VerifierSettings(Settings):
    actors: int = Field(1, ge=1)
    """Verifier actors."""
    processes_per_actor: int = Field(1, ge=1)
    """Killable worker processes in each."""
    deadline_s: float = Field(5.0, gt=0, le=86_400)
    """Longest time for one completion; then its worker is killed and the verdict is `timeout`, in seconds."""
    memory_limit_mb: int = Field(2048, ge=256)
    """Address space of one worker process, in MB."""
    cpus: float = Field(0.0, ge=0)
    """CPUs that Ray reserves for each actor."""
