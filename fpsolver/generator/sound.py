"""Coefficients as they are met at the points of a mesh: numbers everywhere, and D >= 0 to round-off.

A case is sampled when it is loaded, but a formula may fail between the samples. What is wrong at a point of any rank is
an error on all of them. Eigenvalues of D that only round-off has made negative are put to zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.errors import BadUsage
from fpsolver.model.coefficients import Coefficients
from fpsolver.runtime.ranks import agree

Array = npt.NDArray[np.float64]

ROUND_OFF = 1e-12
"""An eigenvalue of D down to minus this fraction of the largest entry anywhere is zero in exact arithmetic."""

EXACT = 1e-14
"""Above minus this fraction of the entries at the same point it is left alone: nothing depends on the last digits."""


class Unsound(BadUsage):
    """A coefficient that no equation can have.

    Attributes:
        part: ``noise``, or ``drift`` for all else.
        wrong: What is wrong, with the point.
        write: What to write instead.
    """

    def __init__(self, part: str, wrong: str, write: str) -> None:
        super().__init__(f"{part}: {wrong}; {write}")
        self.part = part
        self.wrong = wrong
        self.write = write


def sound(coefficients: Coefficients, points: Array, comm: MPI.Comm) -> tuple[Coefficients, float]:
    """Coefficients with D >= 0, and the least eigenvalue that was put to zero, relative to the size of D. Collective.

    Args:
        coefficients: At this rank's points.
        points: (n, d).
        comm: All ranks.

    Raises:
        Unsound: On all ranks, where a value is not finite or D has an eigenvalue below zero beyond round-off.
    """
    finite(coefficients, points, comm)
    size = float(comm.allreduce(np.abs(coefficients.diffusion).max(initial=0.0), MPI.MAX))
    least = least_eigenvalues(coefficients.diffusion)
    worst = int(least.argmin()) if least.size else 0
    error = None
    if least.size and least[worst] < -ROUND_OFF * size:
        wrong = f"D has the eigenvalue {least[worst]:.4g} at {_written(points[worst])}, a point of the mesh"
        error = Unsound("noise", wrong, "write a tensor without negative eigenvalues, or a larger noise.regularization")
    agree(comm, error)
    found, moved = definite(coefficients)
    return found, float(comm.allreduce(moved, MPI.MIN)) / size if size > 0.0 else 0.0


def finite(coefficients: Coefficients, points: Array, comm: MPI.Comm) -> Coefficients:
    """The coefficients at this rank's points (n, d), if they are finite on all ranks. Collective.

    Raises:
        Unsound: On all ranks, where a value is not.
    """
    agree(comm, _not_finite(coefficients, points))
    return coefficients


def definite(coefficients: Coefficients) -> tuple[Coefficients, float]:
    """Coefficients whose D has no negative eigenvalues beyond the last digits, and the least that was put to zero."""
    diffusion = coefficients.diffusion
    least = least_eigenvalues(diffusion)
    here = np.flatnonzero(least < -EXACT * np.abs(diffusion).max(axis=(1, 2), initial=0.0))
    if not here.size:
        return coefficients, 0.0
    values, vectors = np.linalg.eigh(diffusion[here])
    lacking = np.maximum(-values, 0.0)
    raised = diffusion.copy()
    raised[here] += np.einsum("nk,nik,njk->nij", lacking, vectors, vectors)
    return replace(coefficients, diffusion=(raised + raised.transpose(0, 2, 1)) / 2.0), float(least[here].min())


def least_eigenvalues(diffusion: Array) -> Array:
    """The least eigenvalue of each of the symmetric matrices (n, d, d), (n,)."""
    d = diffusion.shape[1]
    if d == 1:
        return np.asarray(diffusion[:, 0, 0])
    if d == 2:
        half = (diffusion[:, 0, 0] - diffusion[:, 1, 1]) / 2.0
        return np.asarray((diffusion[:, 0, 0] + diffusion[:, 1, 1]) / 2.0 - np.hypot(half, diffusion[:, 0, 1]))
    diagonal = np.einsum("nii->ni", diffusion)
    beside = np.abs(diffusion).sum(axis=2) - np.abs(diagonal)
    least = (diagonal - beside).min(axis=1)  # Gershgorin's bound: exact for diagonal D, and mostly positive elsewhere
    unknown = (least < 0.0) & (beside.max(axis=1) > 0.0)
    if unknown.any():
        least[unknown] = np.linalg.eigvalsh(diffusion[unknown])[:, 0]
    return np.asarray(least)


def _not_finite(coefficients: Coefficients, points: Array) -> Unsound | None:
    parts = {
        "loss": ("drift", coefficients.loss[:, None]),
        "gradient of the loss": ("drift", coefficients.gradient),
        "extra drift": ("drift", coefficients.extra),
        "diffusion": ("noise", coefficients.diffusion.reshape(len(points), points.shape[1] ** 2)),
        "divergence of D": ("noise", coefficients.divergence),
    }
    for name, (part, values) in parts.items():
        good = np.isfinite(values).all(axis=1)
        if good.all():
            continue
        here = int(good.argmin())
        wrong = f"the {name} is not finite at {_written(points[here])}, a point of the mesh"
        return Unsound(part, wrong, "write a formula that is finite in the whole domain, or change the domain")
    return None


def _written(point: Array) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in point) + ")"
