"""The change of a matrix seen through singular values, and how it lies to the base's largest directions.

With s the singular values of the change W - B, and U, V [., k] the base's k largest left and right singular vectors:

- spectral_norm: s_1; relative_spectral: over the base's.
- stable_rank: |W - B|_F^2 / s_1^2.
- effective_rank: exp of the entropy of s / sum(s) (Roy and Vetterli 2007).
- alignment: |U^T (W - B) V|_F^2 / |W - B|_F^2, the share of the change's energy between the base's top directions.
  alignment_left has U alone, alignment_right V alone. A random change has about k^2 / (rows x columns), k / rows and
  k / columns.

Matrices whose smaller side is at most EXACT are done exactly, by the eigenvalues of their Gram matrix in float64.
Larger ones take ITERATIONS rounds of randomized subspace iteration (arXiv:0909.4061) for the largest singular values
and directions, which is as sharp as the gap below the last one, and stochastic Lanczos quadrature (STEPS steps from
PROBES random vectors) for what the DEFLATED largest values leave of the entropy. Measured: spectral norm within 1 %
from below, effective rank within 5 %.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from rayrl.drift.weights import SafetensorsFolder, Tuned, blocks

EXACT = 1024
STEPS = 32
PROBES = 16
ITERATIONS = 6
DEFLATED = 128
OVERSAMPLING = 8


@dataclass(frozen=True, slots=True)
class Directions:
    """The base's largest singular vectors, as columns, and its largest singular value."""

    left: torch.Tensor  # [rows, k] float32
    right: torch.Tensor  # [columns, k] float32
    norm: float


@dataclass(slots=True)
class Spectra:
    """The figures above of matrices of several checkpoints; what is known of the base serves all of them."""

    count: int
    """k: how many of the base's directions the change is compared with."""
    device: torch.device
    known: dict[str, Directions] = field(default_factory=dict)

    def figures(self, name: str, base: SafetensorsFolder, tuned: Tuned) -> dict[str, Any]:
        """Of a matrix that changed or not. Holds it whole, in float32."""
        places = list(blocks(base.shapes[name]))
        if name not in self.known:
            rows = (base.rows(name, *place).to(self.device).float() for place in places)
            self.known[name] = base_directions(torch.cat(list(rows)), self.count)
        pairs = (tuned.rows_and_change(name, *place, base.rows(name, *place).to(self.device)) for place in places)
        change = torch.cat([change for _, change in pairs])
        return spectral_figures(change, self.known[name])


def base_directions(matrix: torch.Tensor, count: int) -> Directions:
    """Of a matrix of the base, in float32."""
    count = min(count, *matrix.shape)
    if min(matrix.shape) > EXACT:
        left, values, right = _top(matrix, count + OVERSAMPLING)
        return Directions(left[:, :count], right[:, :count], float(values[0]))
    tall = len(matrix) >= matrix.shape[1]
    matrix = matrix if tall else matrix.T
    values, vectors = torch.linalg.eigh(_gram(matrix))
    right = vectors[:, -count:].flip(-1)
    left = torch.linalg.qr(matrix.double() @ right).Q.float()
    pair = (left, right.float()) if tall else (right.float(), left)
    return Directions(*pair, math.sqrt(max(0.0, float(values[-1]))))


def _top(matrix: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(left vectors as columns, singular values, right vectors as columns), the largest first."""
    generator = torch.Generator(matrix.device).manual_seed(0)
    basis = torch.randn(matrix.shape[1], min(count, *matrix.shape), generator=generator, device=matrix.device)
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(matrix @ basis).Q
        basis = torch.linalg.qr(matrix.T @ basis).Q
    left, values, right = torch.linalg.svd(matrix @ basis, full_matrices=False)
    return left, values, basis @ right.mH


def spectral_figures(change: torch.Tensor, top: Directions) -> dict[str, Any]:
    """The figures above of a change [rows, columns] in float32."""
    square = float(torch.linalg.vector_norm(change, dtype=torch.float64)) ** 2
    about = {"directions": top.left.shape[1], "spectral_exact": min(change.shape) <= EXACT}
    if not square:
        unknown = dict.fromkeys(("alignment", "alignment_left", "alignment_right"))
        nothing = dict.fromkeys(("spectral_norm", "relative_spectral", "stable_rank", "effective_rank"), 0.0)
        return nothing | unknown | about
    norm, effective = _exact(change) if about["spectral_exact"] else _estimated(change)
    inside = top.left.T @ change
    return {
        "spectral_norm": norm,
        "relative_spectral": norm / top.norm if top.norm else None,
        "stable_rank": square / norm**2,
        "effective_rank": effective,
        "alignment": float((inside @ top.right).square().sum()) / square,
        "alignment_left": float(inside.square().sum()) / square,
        "alignment_right": float((change @ top.right).square().sum()) / square,
    } | about


def _gram(matrix: torch.Tensor) -> torch.Tensor:
    """[columns, columns] in float64."""
    total = matrix.new_zeros(matrix.shape[1], matrix.shape[1], dtype=torch.float64)
    for start, end in blocks(tuple(matrix.shape)):
        rows = matrix[start:end].double()
        total.addmm_(rows.T, rows)
    return total


def _exact(change: torch.Tensor) -> tuple[float, float]:
    """(largest singular value, effective rank)"""
    tall = change if len(change) >= change.shape[1] else change.T
    values = torch.linalg.eigvalsh(_gram(tall)).clamp_(min=0).sqrt_()
    shares = values / values.sum()
    return float(values[-1]), float(torch.special.entr(shares).sum().exp())


def _estimated(change: torch.Tensor) -> tuple[float, float]:
    """(largest singular value, effective rank). The largest singular values one by one, the rest by quadrature."""
    change = change if len(change) >= change.shape[1] else change.T
    left, values, _ = _top(change, DEFLATED)
    rest = torch.addmm(change, left, left.T @ change, alpha=-1)
    values = values.double()
    total, entropy = _quadrature(rest)
    total += float(values.sum())
    entropy += float(torch.special.entr(values).sum())
    return float(values[0]), math.exp(math.log(total) + entropy / total)


def _quadrature(matrix: torch.Tensor) -> tuple[float, float]:
    """(sum of s, sum of -s log s), estimated.

    They are traces of functions of the Gram matrix G: of G^(1/2) and of -(G^(1/2) log G) / 2. Lanczos with full
    orthogonalization gives each probe's Gauss quadrature.
    """
    size = matrix.shape[1]
    generator = torch.Generator(matrix.device).manual_seed(0)
    vector = torch.randn(size, PROBES, generator=generator, device=matrix.device, dtype=torch.float64)
    vector /= vector.norm(dim=0)
    basis = vector.new_zeros(STEPS, size, PROBES)
    tridiagonal = vector.new_zeros(PROBES, STEPS, STEPS)
    for step in range(STEPS):
        basis[step] = vector
        image = (matrix.T @ (matrix @ vector.float())).double()
        tridiagonal[:, step, step] = (vector * image).sum(0)
        seen = basis[: step + 1]
        for _ in range(2):
            image -= torch.einsum("snp,sp->np", seen, torch.einsum("snp,np->sp", seen, image))
        length = image.norm(dim=0)
        # Where the rank is used up, the remaining vectors are zero, and so are their weights.
        alive = length > 1e-6 * tridiagonal[:, 0, 0]
        length = torch.where(alive, length, 0.0)
        vector = torch.where(alive, image / length.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
        if step + 1 < STEPS:
            tridiagonal[:, step, step + 1] = tridiagonal[:, step + 1, step] = length
    nodes, vectors = torch.linalg.eigh(tridiagonal)
    weights = vectors[:, 0].square() * size / PROBES
    values = nodes.clamp(min=0).sqrt()
    return float((weights * values).sum()), float((weights * torch.special.entr(values)).sum())
