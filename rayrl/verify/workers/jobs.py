"""What a worker pool is asked, and what it answers. Plain data that travels between processes.

What goes by the thousand says itself how it is pickled: what dataclasses with slots do by themselves takes longer than
many a verdict.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from rayrl.types import Verdict

SEND_EVERY_S = 0.002  # replies of a worker wait so long for the next


@dataclass(frozen=True, slots=True)
class Check:
    """One completion for a built-in verifier."""

    verifier: str
    response: str
    gold: str
    options: dict[str, Any] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return Check, (self.verifier, self.response, self.gold, self.options)

    @property
    def size(self) -> int:
        """Completions in it: its deadline is that of one, times this."""
        return 1


@dataclass(frozen=True, slots=True)
class Call:
    """A group of completions for a reward function `f(completions, **columns)`; each column holds one value a row."""

    function: str
    completions: list[str]  # [G]
    columns: dict[str, list[Any]] = field(default_factory=dict)  # name -> [G]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Completions in it: its deadline is that of one, times this."""
        return len(self.completions)


Job = Check | Call


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    done: `value` is the Verdict of a Check, the list of rewards of a Call. raised: the function raised, or returned
    what is no list of numbers, as `reason` says. timeout: it ran past its deadline and its worker was killed.
    crashed: its worker died (twice), ran out of memory, or could not be started.
    """

    kind: Literal["done", "raised", "timeout", "crashed"]
    value: Verdict | list[float | None] | None = None
    reason: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Outcome, (self.kind, self.value, self.reason)
