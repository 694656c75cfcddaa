"""Every matrix of a checkpoint against the base's: the rows of drift.jsonl."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from rayrl.drift.compare import Sums, compare
from rayrl.drift.spectrum import Directions, directions, spectrum
from rayrl.drift.weights import Base, Tuned
from rayrl.errors import ModelError
from rayrl.learner.freeze import layer_of
from rayrl.learner.freeze_table import kind_of


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which tensors can be compared."""

    names: list[str]
    unmatched: dict[str, list[str]]
    """Why not -> names."""


def pair(base: Base, tuned: Tuned) -> Pairing:
    """Raises ModelError where not one tensor is the same in name and shape."""
    names = [name for name, shape in base.shapes.items() if tuned.shapes.get(name) == shape]
    unmatched = {
        "only in the base": [name for name in base.shapes if name not in tuned.shapes],
        "only in the checkpoint": [name for name in tuned.shapes if name not in base.shapes],
        "of another shape": [n for n, shape in base.shapes.items() if tuned.shapes.get(n, shape) != shape],
    }
    if not names:
        first = next(iter(tuned.shapes), "none")
        raise ModelError(
            f"the checkpoint has no tensor of the base's names and shapes (its first is {first!r}): is it another "
            "model, or is it quantised? Name a checkpoint that was trained from this base"
        )
    return Pairing(names, {why: found for why, found in unmatched.items() if found})


def drift_row(checkpoint: str | int, step: int | None, name: str, sums: Sums) -> dict[str, Any]:
    """One row of drift.jsonl, without what needs singular values."""
    about = {"checkpoint": checkpoint, "step": step, "name": name, "layer": layer_of(name), "kind": kind_of(name)}
    return about | sums.row(name)


@dataclass(slots=True)
class Spectral:
    """Whether and how singular values are looked at; what is known of the base serves several checkpoints."""

    count: int
    """How many of the base's directions the change is compared with."""
    device: torch.device
    known: dict[str, Directions] = field(default_factory=dict)

    def figures(self, name: str, base: Base, tuned: Tuned) -> dict[str, Any]:
        if name not in self.known:
            self.known[name] = directions(name, base, self.count, self.device)
        return spectrum(name, base, tuned, self.known[name])


def measure(
    base: Base,
    tuned: Tuned,
    names: list[str],
    checkpoint: str,
    step: int | None,
    spectral: Spectral | None,
    advance: Callable[[int], None],
) -> Iterator[dict[str, Any]]:
    """The rows of one checkpoint, in the base's order.

    Args:
        base, tuned: What is compared.
        names: From `pair`.
        checkpoint, step: As the rows name them.
        spectral: None: only what sums over entries give.
        advance: Called after each tensor with its number of entries.

    Raises:
        ModelError: A tensor holds numbers that are not finite.
    """
    for name in names:
        row = drift_row(checkpoint, step, name, compare(name, base, tuned))
        if spectral is not None and len(base.shapes[name]) == 2:
            row |= spectral.figures(name, base, tuned)
        yield row
        advance(row["entries"])
