"""The built-in verifiers: how a response is judged, and which columns of a row take part.

To add one, write `verify(response, gold, **options) -> Verdict`, which never evaluates what a model wrote and need not
watch the clock, and give it a row in `VERIFIERS`, and its name a place in `BUILT_IN_REWARDS` of
`rayrl.config.rewards` and among the choices of `rayrl verify` (`rayrl.cli`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rayrl.types import Verdict
from rayrl.verify import choice, maths
from rayrl.verify.finance import verifier as finance
from rayrl.verify.finance.judge import JudgeSettings
from rayrl.verify.text import gold_text


@dataclass(frozen=True, slots=True)
class Verifier:
    """verify: called as `verify(response, gold, **options)`. columns: of the row, passed as options where present.

    read_judge: called as `read_judge(**options)` before anything starts: the language model that judges too, or None.
    It raises a RayrlError where that cannot work.
    """

    verify: Callable[..., Verdict]
    columns: tuple[str, ...] = ()
    read_judge: Callable[..., JudgeSettings | None] = lambda **_: None

    def options(self, row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """`given`, and what the row itself says, which counts for more."""
        own = {name: row[name] for name in self.columns if gold_text(row.get(name))}
        return {**given, **own}


VERIFIERS = {
    "maths": Verifier(maths.verify),
    "choice": Verifier(choice.verify),
    "finance": Verifier(finance.verify, ("question", "scale", "tolerance"), finance.read_judge),
}
