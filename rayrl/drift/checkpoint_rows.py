"""Every matrix of a checkpoint against the base's: the rows of drift.jsonl."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rayrl.drift.distance import Distance, measure_distance
from rayrl.drift.spectrum import Spectra
from rayrl.drift.weights import SafetensorsFolder, Tuned
from rayrl.errors import ModelError
from rayrl.learner.freeze import layer_of
from rayrl.learner.freeze_table import kind_of


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which tensors can be compared."""

    names: list[str]
    unmatched: dict[str, list[str]]
    """Why not -> names."""


def pair_tensors(base: SafetensorsFolder, tuned: Tuned) -> Pairing:
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
            "model, or is it quantized? Name a checkpoint that was trained from this base"
        )
    return Pairing(names, {why: found for why, found in unmatched.items() if found})


def drift_row(checkpoint: str | int, step: int | None, name: str, distance: Distance) -> dict[str, Any]:
    """One row of drift.jsonl, without what needs singular values."""
    about = {"checkpoint": checkpoint, "step": step, "name": name, "layer": layer_of(name), "kind": kind_of(name)}
    return about | distance.figures(name)


def measure_checkpoint(
    base: SafetensorsFolder,
    tuned: Tuned,
    names: list[str],
    checkpoint: str,
    step: int | None,
    spectra: Spectra | None,
    advance: Callable[[int], None],
) -> Iterator[dict[str, Any]]:
    """The rows of one checkpoint, in the base's order.

    Args:
        base, tuned: What is compared.
        names: From `pair_tensors`.
        checkpoint, step: As the rows name them.
        spectra: None: only what sums over entries give.
        advance: Called after each tensor with its number of entries.

    Raises:
        ModelError: A tensor holds numbers that are not finite.
    """
    for name in names:
        row = drift_row(checkpoint, step, name, measure_distance(name, base, tuned))
        if spectra is not None and len(base.shapes[name]) == 2:
            row |= spectra.figures(name, base, tuned)
        yield row
        advance(row["entries"])
