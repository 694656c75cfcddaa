"""The built-in verifiers: how a response is judged, and which columns of a row take part.

To add one, write `verify(response, gold, **options) -> Verdict`, which never evaluates what a model wrote and need not
watch the clock, and give it a row in `VERIFIERS`: a config's `rewards` then knows it by that name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rayrl.types import Verdict
from rayrl.verify import choice, maths
from rayrl.verify.finance import verifier as finance


@dataclass(frozen=True, slots=True)
class Verifier:
    """verify: called as `verify(response, gold, **options)`. columns: of the row, passed as options where present."""

    verify: Callable[..., Verdict]
    columns: tuple[str, ...] = ()

    def options(self, row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """`given`, and what the row itself says, which counts for more."""
        own = {name: row[name] for name in self.columns if row.get(name) not in (None, "")}
        return {**given, **own}


VERIFIERS = {
    "maths": Verifier(maths.verify),
    "choice": Verifier(choice.verify),
    "finance": Verifier(finance.verify, ("question", "scale", "tolerance")),
}
