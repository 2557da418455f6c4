"""The automatic weight: exponential fitting on a coarse box, where no formula for the stationary density is known.

Psi solves  integral of e^-Psi (a - D grad Psi) . grad v = 0  for all v of a quadratic space on a coarse box around the
domain, by Newton's method with continuation in the noise (from 64 D down to D). Any weight is consistent, so a rough
one suffices. It is lifted to a smooth tensor spline: the weight is then one function on every rank, whatever the mesh
and however it is shared, and has no kinks inside the cells of the fine mesh.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc
from scipy.interpolate import NdBSpline, make_interp_spline

from fpsolver.domain.box import box_mesh
from fpsolver.generator.forms import Forms
from fpsolver.generator.quadrature import Quadrature, owned_vector
from fpsolver.generator.sound import sound
from fpsolver.generator.weight import Potential, bend
from fpsolver.linalg import Factorization, SolveCount
from fpsolver.model.coefficients import Model
from fpsolver.runtime import on_root
from fpsolver.wrapping import wrapped

Array = npt.NDArray[np.float64]

CELLS = {2: (24, 24), 3: (8, 8, 8)}
FITTED_CEILING = 45.0
FIRST_NOISE, NOISE_FACTOR = 64.0, 1.6
SMALL_STEP = 1e-2
MOST_STEPS = 8
LARGEST_FACTOR = 5.0
"""A Newton step multiplies the density by this at most, and by its inverse at least."""

ISOTROPIC = 0.4
"""Share of tr(D)/n that is added to a singular D, in the weight only: less makes Newton's method too hard."""

SINGULAR = 1e-3
"""D counts as singular where its smallest eigenvalue is below this share of its largest."""

SPLINE_DEGREE = 5


def fitted_potential(
    model: Model, lower: Sequence[float], upper: Sequence[float], comm: MPI.Comm, periods: Sequence[float] = ()
) -> Potential:
    """A smooth approximation of -log of the stationary density on a box. Collective.

    Rank 0 fits and the others receive the coefficients of the spline.

    Args:
        model: Drift and diffusion, evaluated on the whole box.
        lower: Lower corner.
        upper: Upper corner.
        comm: All ranks.
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    spline = on_root(comm, lambda: _Fit(model, lower, upper, periods).run())
    return spline_potential(spline, lower, upper, periods)


def spline_potential(
    spline: NdBSpline, lower: Sequence[float], upper: Sequence[float], periods: Sequence[float] = ()
) -> Potential:
    """A spline and its gradient; points outside of the box take the values on its edge, or go round."""
    edges = [np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)]
    dimension = len(lower)

    def potential(points: Array) -> tuple[Array, Array]:
        inside = np.clip(wrapped(points, lower, periods), *edges)
        gradient = [spline(inside, nu=tuple(int(i == axis) for i in range(dimension))) for axis in range(dimension)]
        return np.asarray(spline(inside)), np.stack(gradient, axis=1)

    return potential


class _Fit:
    """The quadratic exponential fit on a box, on this rank alone."""

    def __init__(self, model: Model, lower: Sequence[float], upper: Sequence[float], periods: Sequence[float]) -> None:
        self._closes = np.isfinite(periods) if len(periods) else np.zeros(model.dimension, dtype=bool)
        self._lower, self._upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        self._cells = CELLS[model.dimension]
        domain = box_mesh(MPI.COMM_SELF, lower, upper, self._cells, periods=periods)
        self._space = fem.functionspace(domain, ("Lagrange", 2))
        self._quadrature = Quadrature(self._space, 8)
        self._shape = self._quadrature.points.shape
        points = self._quadrature.points.reshape(-1, model.dimension)
        coefficients, _ = sound(model(points), points, MPI.COMM_SELF)
        self._advection = coefficients.advection.reshape(self._shape)
        self._diffusion = _regular(coefficients.diffusion).reshape(*self._shape, model.dimension)
        self._forms = Forms(self._space, self._quadrature)
        self._form = self._forms.generator(reversible=False)
        self._matrix = fem_petsc.create_matrix(self._form)
        self._exponent = fem.Function(self._space)
        self._count = SolveCount()

    def run(self) -> NdBSpline:
        """The spline through the fitted exponent."""
        noise = FIRST_NOISE
        exponent = np.zeros(len(self._exponent.x.array))
        while True:
            for _ in range(MOST_STEPS):
                exponent, change = self._step(exponent, noise)
                if change < SMALL_STEP:
                    break
            if noise <= 1.0:
                return self._spline(bend(exponent - exponent.min(), FITTED_CEILING)[0])
            weaker = max(noise / NOISE_FACTOR, 1.0)
            exponent, noise = exponent * (noise / weaker), weaker

    def _step(self, exponent: Array, noise: float) -> tuple[Array, float]:
        """One Newton step: the stationary density relative to the present weight corrects the exponent."""
        floor = float(exponent.min())
        self._exponent.x.array[:] = exponent
        value, slope = self._quadrature.values(self._exponent), self._quadrature.gradients(self._exponent)
        bent, factor = bend(value - floor, FITTED_CEILING)
        diffusion = noise * self._diffusion
        transport = self._advection - np.einsum("cqij,cqj->cqi", diffusion, factor[:, :, None] * slope)
        self._forms.fill(np.exp(-bent), diffusion, transport)
        self._matrix.zeroEntries()
        fem_petsc.assemble_matrix(self._matrix, self._form)
        self._matrix.assemble()
        correction = self._stationary_correction(int(exponent.argmin()))
        # nodes that carry little mass may still move when the fit is good enough
        change = float((np.abs(correction) * np.exp(-0.5 * np.minimum(exponent - floor, 600.0))).max())
        return exponent - np.log(np.clip(1.0 + correction, 1.0 / LARGEST_FACTOR, LARGEST_FACTOR)), change

    def _stationary_correction(self, pin: int) -> Array:
        """eta with K^T (1 + eta) = 0 and eta = 0 at the pinned node."""
        residual = owned_vector(self._space)
        one = residual.duplicate()
        one.set(-1.0)
        self._matrix.multTranspose(one, residual)
        free = PETSc.IS().createGeneral(
            np.delete(np.arange(residual.getSize(), dtype=PETSc.IntType), pin), comm=MPI.COMM_SELF
        )
        factors = Factorization(self._matrix.createSubMatrix(free, free), "weight", symmetric=False, count=self._count)
        solution = factors.solve(residual.getSubVector(free), transposed=True)
        factors.destroy()
        return np.insert(solution.array_r, pin, 0.0)

    def _spline(self, exponent: Array) -> NdBSpline:
        """The tensor spline through the values at the nodes, which form a lattice."""
        points = self._space.tabulate_dof_coordinates()[:, : len(self._cells)]
        counts = 2 * np.array(self._cells)
        index = np.rint((points - self._lower) / (self._upper - self._lower) * counts).astype(int)
        values = np.empty(counts + 1)
        values[tuple((index % np.where(self._closes, counts, counts + 1)).T)] = exponent
        for axis in np.flatnonzero(self._closes).tolist():
            turned = np.moveaxis(values, axis, 0)
            turned[-1] = turned[0]
        knots = []
        for axis, count in enumerate(counts):
            nodes = np.linspace(self._lower[axis], self._upper[axis], count + 1)
            ends = "periodic" if self._closes[axis] else None
            spline = make_interp_spline(nodes, values, k=SPLINE_DEGREE, axis=axis, bc_type=ends)
            knots.append(spline.t)
            values = np.moveaxis(spline.c, 0, axis)
        return NdBSpline(tuple(knots), values, SPLINE_DEGREE)


def _regular(diffusion: Array) -> Array:
    """D (n, d, d), or where it is singular D + share tr(D)/n I, with a little of the mean trace where D vanishes."""
    values = np.linalg.eigvalsh(diffusion)
    if values[:, 0].min() > SINGULAR * values[:, -1].max():
        return diffusion
    trace = np.trace(diffusion, axis1=1, axis2=2) / diffusion.shape[1]
    return np.asarray(
        diffusion + ISOTROPIC * (trace + SINGULAR * trace.mean())[:, None, None] * np.eye(diffusion.shape[1])
    )
