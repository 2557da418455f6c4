"""The probability current of a stationary density: J = -(D grad pi + a pi) = -w (D grad h + c h)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from dolfinx import fem, la
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import owned_vector

Array = npt.NDArray[np.float64]


def current_size(generator: Generator, vector: PETSc.Vec) -> float:
    """Integral of |J| over the domain. Collective."""
    quadrature = generator.quadrature
    points = quadrature.points[: quadrature.cells.owned]
    function = generator.function(vector)
    flux = flux_of(
        generator,
        points.reshape(-1, points.shape[2]),
        quadrature.values(function).ravel(),
        quadrature.gradients(function).reshape(-1, points.shape[2]),
    )
    return float(generator.comm.allreduce(float(quadrature.measure.ravel() @ np.linalg.norm(flux, axis=1))))


def current_at_nodes(generator: Generator, vector: PETSc.Vec) -> list[PETSc.Vec]:
    """The components of J at the nodes: the mean of what the cells around a node say. Collective."""
    points, (ratio,), (gradient,) = at_element_nodes(generator, [vector])
    return node_means(generator, flux_of(generator, points, ratio, gradient))


def at_element_nodes(generator: Generator, vectors: Sequence[PETSc.Vec]) -> tuple[Array, Array, Array]:
    """The nodes of the owned cells, one cell after the other, with values and gradients of functions there.

    Returns:
        Points (n, d), values (functions, n), gradients (functions, n, d).
    """
    space, quadrature = generator.space, generator.quadrature
    element, dofs = space.element.basix_element, quadrature.dofs
    reference = np.asarray(element.points)
    slopes = element.tabulate(1, reference)[1:, :, :, 0]
    points = quadrature.cells.points(reference)[: quadrature.cells.owned]
    d = points.shape[2]
    local = np.array([generator.function(vector).x.array[dofs] for vector in vectors])
    inverse = quadrature.cells.inverse_jacobians(reference)
    gradients = np.einsum("cqdi,dqa,fca->fcqi", inverse, slopes, local, optimize=True)
    return points.reshape(-1, d), local.reshape(len(local), -1), gradients.reshape(len(local), -1, d)


def node_means(generator: Generator, values: Array) -> list[PETSc.Vec]:
    """Components of a vector field at the nodes, from what each cell says of its nodes, (n, d). Collective."""
    space, dofs = generator.space, generator.quadrature.dofs
    shares = _node_sum(space, dofs, np.ones(len(values)))
    components = [_node_sum(space, dofs, values[:, i]) for i in range(values.shape[1])]
    for component in components:
        component.pointwiseDivide(component, shares)
    return components


def flux_of(generator: Generator, points: Array, ratio: Array, gradient: Array) -> Array:
    """J at points (n, d), from h (n,) and its gradient (n, d) there: (n, d)."""
    exponent, slope = generator.weight(points)
    coefficients = generator.model(points)
    transport = coefficients.advection - np.einsum("nij,nj->ni", coefficients.diffusion, slope)
    spread = np.einsum("nij,nj->ni", coefficients.diffusion, gradient)
    return np.asarray(-np.exp(-exponent)[:, None] * (spread + transport * ratio[:, None]))


def _node_sum(space: fem.FunctionSpace, dofs: npt.NDArray[np.int32], values: Array) -> PETSc.Vec:
    total = fem.Function(space)
    total.x.array[:] = np.bincount(dofs.ravel(), values, minlength=len(total.x.array))
    total.x.scatter_reverse(la.InsertMode.add)
    return owned_vector(space, total.x.array)
