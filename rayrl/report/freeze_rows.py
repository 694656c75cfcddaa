"""What each arm of a study trains and freezes, from its resolved settings and from the plan that its run wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayrl.report.study_directory import Arm


@dataclass(frozen=True, slots=True)
class FreezeRow:
    """`trainable` and `total` count parameters; None where the run wrote no plan. `frozen`: kinds with their layers."""

    arm: Arm
    preset: str
    rules: str
    adapter: str
    trainable: int | None
    total: int | None
    frozen: list[str]
    learning_rate: float | None


def freeze_row(arm: Arm) -> FreezeRow:
    rows = [row for row in arm.plan.get("freeze", ()) if isinstance(row, dict)]
    preset, rules, adapter = arm.freeze
    rate = arm.setting("learner.learning_rate")
    return FreezeRow(
        arm=arm,
        preset=preset,
        rules=rules,
        adapter=adapter,
        trainable=_trainable(rows) if rows else None,
        total=arm.plan.get("parameters") if rows else None,
        frozen=[_base(arm)] if adapter else [_where(row) for row in rows if not row.get("trainable")],
        learning_rate=float(rate) if isinstance(rate, int | float) else None,
    )


def _trainable(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(row.get("parameters") or 0) for row in rows if row.get("trainable"))


def _base(arm: Arm) -> str:
    """What is frozen beside an adapter."""
    return "the whole base, in 4 bits" if arm.setting("adapter.quantize") else "the whole base"


def _where(row: Mapping[str, Any]) -> str:
    kind = str(row.get("kind")).removeprefix("self_attn.").removeprefix("mlp.")
    return f"{kind} {row['layers']}" if row.get("layers") else kind
