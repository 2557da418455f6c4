"""The stationary density as relative entropies need it: its logarithm and gradient wherever a density is sampled.

With detailed balance log pi is a formula. Elsewhere pi = w h is solved with a weight as close to it as can be found
(`close_weight`), and log pi = -Psi + log h as far as the solution is known. Relative entropies divide by pi, so it is
never clipped: where h is not positive, or its last degree changes it by more than a fraction, the potential of the
weight goes on alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import basix
import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.problems.base import Setting
from fpsolver.problems.stationary.close_weight import closely_solved
from fpsolver.problems.stationary.settled import gibbs_state
from fpsolver.problems.stationary.whole import whole

Array = npt.NDArray[np.float64]

KNOWN = 0.3
"""A density is known where what its last degree adds is below this fraction of it."""


@dataclass(frozen=True)
class SettledDensity:
    """The stationary density where the densities of the case are sampled.

    Attributes:
        logarithm: log pi, of unit mass by the quadrature of the mesh, (n,).
        gradient: Its gradient, (n, d); for the monotone scheme, which is sampled at nodes, there is none: (n, 0).
        known: Where it is known, (n,).
        exact: It is a formula.
    """

    logarithm: Array
    gradient: Array
    known: npt.NDArray[np.bool_]
    exact: bool


def settled_density(setting: Setting) -> SettledDensity:
    """The stationary density of a process that has exactly one, made once. Collective.

    Raises:
        SolverFailed: A solve failed.
    """
    return setting.of_degree.once("settled density", lambda: _settled_density(setting))


def _settled_density(setting: Setting) -> SettledDensity:
    if setting.case.discretization.scheme == "monotone":
        return _of_chain(setting)
    state = gibbs_state(whole(setting).generator)
    if state is not None:
        points, measure = setting.quadrature_points
        exponent, slope = state.generator.weight(points)
        everywhere = np.ones(len(points), dtype=bool)
        return _normalised(setting, SettledDensity(-exponent, -slope, everywhere, exact=True), measure)
    solved = closely_solved(setting)
    sampled = Sampled.of(solved.generator)
    values, gradients, surplus = sampled.values(solved.vector)
    known = surplus <= KNOWN
    ratio = np.where(known, values, 1.0)
    points, measure = setting.quadrature_points
    free, free_slope = replace(solved.generator.weight, ceiling=np.inf)(points)
    weighted = np.where(known, measure * np.exp(-sampled.exponent) * values, 0.0)
    total, mean = setting.domain.comm.allreduce(np.array([weighted.sum(), (weighted * np.log(ratio)).sum()]))
    logarithm = np.where(known, np.log(ratio) - sampled.exponent, mean / total - free)
    gradient = np.where(known[:, None], gradients / ratio[:, None] - sampled.slope, -free_slope)
    return _normalised(setting, SettledDensity(logarithm, gradient, known, exact=False), measure)


def _of_chain(setting: Setting) -> SettledDensity:
    """The stationary density of the monotone scheme at its nodes: that of its chain, where every entropy falls."""
    solved = closely_solved(setting)
    values, masses, weight = solved.generator.samples(solved.vector)
    known = values > 0.0
    logarithm = np.log(np.where(known, values, 1.0)) + np.log(weight)
    found = SettledDensity(logarithm, np.zeros((len(values), 0)), known, exact=False)
    return _normalised(setting, found, masses / weight)


def _normalised(setting: Setting, found: SettledDensity, measure: Array) -> SettledDensity:
    mass = setting.domain.comm.allreduce(float(measure @ np.exp(found.logarithm)))
    return replace(found, logarithm=found.logarithm - np.log(mass))


@dataclass(frozen=True)
class Sampled:
    """How functions of a space become values at the quadrature points of this rank, with what does not change.

    Attributes:
        generator: Space and weight.
        exponent: Psi of its weight at the points, (n,).
        slope: The gradient of that, (n, d).
        basis: Values of the basis functions at the points of a cell, (nodes, q).
        surplus: What the last degree of the basis functions is there, (nodes, q).
        slopes: Their derivatives on the reference cell, (nodes, q d).
        inverse: Of the Jacobians, (cells, q or 1, d, d).
    """

    generator: Generator
    exponent: Array
    slope: Array
    basis: Array
    surplus: Array
    slopes: Array
    inverse: Array

    @classmethod
    def of(cls, generator: Generator) -> Sampled:
        """Made once for a generator."""
        quadrature = generator.quadrature
        cells, element = quadrature.cells, generator.space.element.basix_element
        points = quadrature.points[: cells.owned]
        exponent, slope = generator.weight(points.reshape(-1, points.shape[2]))
        slopes = element.tabulate(1, quadrature.reference)[1:, :, :, 0]
        where = quadrature.reference if cells.element.degree > 1 else quadrature.reference[:1]
        return cls(
            generator,
            exponent,
            slope,
            quadrature.basis.T,
            (quadrature.basis - _of_lower_degree(generator)).T,
            np.ascontiguousarray(slopes.transpose(2, 1, 0)).reshape(slopes.shape[2], -1),
            cells.inverse_jacobians(where)[: cells.owned],
        )

    def values(self, vector: PETSc.Vec) -> tuple[Array, Array, Array]:
        """A function at the points: values (n,), gradients (n, d), and how badly it is known there (n,): in each cell
        the mean square of what its last degree adds over that of itself, infinite where it is not all positive.
        """
        local = self.generator.function(vector).x.array[self.generator.quadrature.dofs]
        d = self.slope.shape[1]
        slopes = (local @ self.slopes).reshape(len(local), -1, d)
        gradients = np.matmul(slopes[:, :, None, :], self.inverse)[:, :, 0, :]
        values, added = local @ self.basis, np.linalg.norm(local @ self.surplus, axis=1)
        positive = (values > 0.0).all(axis=1)
        doubt = np.where(positive, added / np.where(positive, np.linalg.norm(values, axis=1), 1.0), np.inf)
        return values.ravel(), gradients.reshape(-1, d), np.repeat(doubt, values.shape[1])

    def only_values(self, vector: PETSc.Vec) -> Array:
        """A function at the points, (n,)."""
        local = self.generator.function(vector).x.array[self.generator.quadrature.dofs]
        return np.asarray((local @ self.basis).ravel())


def _of_lower_degree(generator: Generator) -> Array:
    """Values at the quadrature points of the interpolants of the basis functions of one degree less, (q, nodes)."""
    element, reference = generator.space.element.basix_element, generator.quadrature.reference
    if generator.degree == 1:
        return np.full((len(reference), element.dim), 1.0 / element.dim)
    lower = basix.create_element(
        basix.ElementFamily.P, element.cell_type, generator.degree - 1, basix.LagrangeVariant.gll_warped
    )
    at_nodes = element.tabulate(0, lower.points)[0, :, :, 0]
    return np.asarray(lower.tabulate(0, reference)[0, :, :, 0] @ at_nodes)
