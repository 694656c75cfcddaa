"""`run.deadlines`: how long a run waits, and for what."""

from dataclasses import dataclass
from typing import Self

from pydantic import Field

from rayrl.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Deadline:
    """The longest wait, in seconds, and what helps where it was too short."""

    seconds: float
    fix: str

    @classmethod
    def of(cls, setting: str, seconds: float) -> Self:
        """One that a setting gives."""
        return cls(seconds, f"raise {setting} if it needs longer")

    @property
    def behind(self) -> "Deadline":
        """A little later: of who waits for one that has this deadline itself, and the better message."""
        return Deadline(self.seconds + 30, self.fix)


BUSY = Deadline(60, "its machine may have too much to do")
"""Of one who has nothing else to do than to answer."""


class DeadlineSettings(Settings):
    """Longest waits before a run ends and says for what it waited, in seconds."""

    start_s: float = Field(1800.0, gt=0, allow_inf_nan=False)
    """For generators, verifiers and learner ranks to be up with the model read, at first and after a death."""
    step_s: float = Field(3600.0, gt=0, allow_inf_nan=False)
    """For the groups of a step, or one of them; and for a checkpoint that is written in the background."""
    evaluation_s: float = Field(1800.0, gt=0, allow_inf_nan=False)
    """For the next sample of an evaluation, or a task of lm-evaluation-harness to load."""
    sync_s: float = Field(600.0, gt=0, allow_inf_nan=False)
    """For generators to take new weights, and for answers without work."""

    @property
    def start(self) -> Deadline:
        return self._of("start_s")

    @property
    def step(self) -> Deadline:
        return self._of("step_s")

    @property
    def evaluation(self) -> Deadline:
        return self._of("evaluation_s")

    @property
    def sync(self) -> Deadline:
        return self._of("sync_s")

    @property
    def longest(self) -> Deadline:
        """Of what takes an actor's start, a step or a sync."""
        return max(self.start, self.step, self.sync, key=lambda one: one.seconds)

    def _of(self, name: str) -> Deadline:
        return Deadline.of(f"run.deadlines.{name}", getattr(self, name))
