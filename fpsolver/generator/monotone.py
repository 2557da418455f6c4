"""The monotone companion: degree 1, lumped mass, exponentially fitted edges. A true Markov generator.

Along the edge from node i to node j, with t = x_j - x_i and beta(s) = integral of a . t / D from x_i to x_i + s t, the
flux J = -(D grad rho + a rho) is taken as constant. It is then proportional to rho_i - rho_j e^beta(1), and

    F_ij = kappa_ij (rho_i - rho_j e^beta(1)) / mean of e^beta / D  =  rho_i g_ij - rho_j g_ji
    kappa_ij = -integral of grad phi_i . grad phi_j
    m_i d rho_i/dt = -sum over j of F_ij

with the mean over the edge (Markowich and Zlamal 1989; Xu and Zikatanov 1999). Where a = D grad Psi, beta is a
difference of Psi and the Gibbs state e^-Psi has no flux through any edge. With rho = w h the generator is

    M = diag(m_i w_i),     K_ij = -w_i g_ij,     K_ii = sum over j of w_i g_ij

so constants are in the kernel of K whatever the weight, and K is symmetric if w = e^-Psi. It needs a scalar D > 0 and
kappa >= 0, which means a Delaunay mesh in two dimensions: then no off-diagonal entry of K is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.errors import BadUsage
from fpsolver.generator.generator import Generator, is_absorbed
from fpsolver.generator.quadrature import Quadrature
from fpsolver.generator.sound import finite
from fpsolver.generator.weight import Weight, grounded
from fpsolver.model.coefficients import Model
from fpsolver.runtime.ranks import agree

Array = npt.NDArray[np.float64]

QUADRATURE_DEGREE = 6

SIGN_LIMIT = 1e-13
"""A positive off-diagonal entry of K below this fraction of its row's diagonal is round-off."""

RIGHT_ANGLE = 1e-11
"""kappa below this fraction of what it is summed from is round-off, for example opposite a right angle: no edge."""

ISOTROPIC = 1e-10
"""Relative difference from a multiple of the identity that is round-off."""

VANISHING = 1e-13
"""D below this fraction of its largest value vanishes."""

# On [0, 1]: Gauss points where the model is asked, and their weights; integrals (q, p) from 0 to the q-th of them of
# the Lagrange polynomial of the p-th; coefficients (power, point) of the Lagrange polynomials of both ends and the
# Gauss points; points and weights of the mean, for which the model is not evaluated again.
_POINTS = (np.polynomial.legendre.leggauss(3)[0] + 1.0) / 2.0
_WEIGHTS = np.polynomial.legendre.leggauss(3)[1] / 2.0
_INTEGRALS = _POINTS[:, None] ** np.arange(1, 4) / np.arange(1, 4) @ np.linalg.inv(np.vander(_POINTS, increasing=True))
_QUARTIC = np.linalg.inv(np.vander([0.0, *_POINTS, 1.0], increasing=True))
_MEAN_POINTS = (np.polynomial.legendre.leggauss(5)[0] + 1.0) / 2.0
_MEAN_WEIGHTS = np.polynomial.legendre.leggauss(5)[1] / 2.0


def monotone_generator(domain: mesh.Mesh, model: Model, weight: Weight) -> Generator:
    """The monotone generator on the vertices of a mesh. Collective.

    It is reversible, with K symmetric to the last bit, where the weight's potential absorbs the whole drift and stays
    below the ceiling at every node.

    Args:
        domain: Mesh of straight cells, any ghost mode.
        model: Drift and diffusion; D must be a positive multiple of the identity.
        weight: Its floor is moved to the smallest potential at nodes and quadrature points; its ceiling is kept.

    Raises:
        BadUsage: D is not a multiple of the identity, or vanishes; a coefficient is not finite; the mesh is not
            Delaunay; or the potential varies too much inside a cell.
    """
    space = fem.functionspace(domain, ("Lagrange", 1))
    quadrature = Quadrature(space, QUADRATURE_DEGREE)
    dimension = quadrature.cells.dimension
    nodes = np.ascontiguousarray(space.tabulate_dof_coordinates()[:, :dimension])
    weight = grounded(weight, np.vstack([quadrature.points.reshape(-1, dimension), nodes]), domain.comm)
    density = weight.density(nodes)

    edges = _Edges.of(quadrature, nodes)
    exponents = _exponents(edges, nodes, model, weight, domain.comm)
    unbent = bool((weight.potential(nodes)[0] - weight.floor <= weight.ceiling).all())
    reversible = exponents.by_weight and domain.comm.allreduce(unbent, MPI.LAND)
    stiffness = _assembled(space, edges, *_flows(edges, exponents, density, reversible=reversible))

    nodal = quadrature.functional(np.ones_like(quadrature.measure))
    mass = _diagonal(nodal.array_r * density[: nodal.getLocalSize()], stiffness)
    nodal.array[:] = density[: nodal.getLocalSize()]
    generator = Generator(space, stiffness, mass, weight, quadrature, model, reversible, nodal)
    defect = sign_defect(generator)
    if defect > SIGN_LIMIT:
        raise BadUsage(
            f'discretization.scheme: "monotone" needs a Delaunay mesh, and here a rate is negative, by {defect:.1e} of '
            'the sum of its row; write domain.diagonal = "right", cells of equal sides, or scheme = "weighted"'
        )
    return generator


def sign_defect(generator: Generator) -> float:
    """Largest positive off-diagonal entry of K relative to its row's diagonal, over all ranks; 0 for Markov chains."""
    start, columns, values = generator.stiffness.getValuesCSR()
    first, last = generator.stiffness.getOwnershipRange()
    row = np.repeat(np.arange(last - first), np.diff(start))
    on = columns == row + first
    diagonal = np.zeros(last - first)
    diagonal[row[on]] = np.abs(values[on])
    above = ~on & (values > 0.0)
    # a positive entry beside an empty diagonal is as bad as can be
    ratio = values[above] / np.maximum(diagonal[row[above]], np.finfo(float).tiny)
    return float(generator.comm.allreduce(ratio.max(initial=0.0), MPI.MAX))


@dataclass(frozen=True)
class _Edges:
    """The edges of this rank's cells that carry flux, each once.

    Attributes:
        first: Local degree of freedom at the start, (n,).
        last: The same at the end, of higher global number, so that all ranks see an edge in the same direction.
        kappa: Laplace weight from this rank's cells, (n,), length^(d - 2).
        points: Gauss points, (n, 3, d).
        span: x_j - x_i, (n, d).
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    kappa: Array
    points: Array
    span: Array

    @classmethod
    def of(cls, quadrature: Quadrature, nodes: Array) -> _Edges:
        cells, dofmap = quadrature.cells, quadrature.space.dofmap
        middle = np.full((1, cells.dimension), 1.0 / (cells.dimension + 1))
        slopes = quadrature.space.element.basix_element.tabulate(1, middle)[1:, 0, :, 0]
        gradients = np.einsum("cdi,da->cai", cells.inverse_jacobians(middle)[:, 0], slopes)
        volumes = cells.volumes(middle)[: cells.owned] * quadrature.rule_weights.sum()
        one, other = np.triu_indices(cells.dimension + 1, 1)
        parts = -volumes * np.einsum("cei,cei->ce", gradients[:, one], gradients[:, other])
        length = np.sqrt((gradients**2).sum(axis=2))
        sizes = volumes * length[:, one] * length[:, other]

        number = dofmap.index_map.local_to_global(np.arange(len(nodes), dtype=np.int32))
        left, right = (quadrature.dofs[:, corner].astype(np.int64).ravel() for corner in (one, other))
        swap = number[left] > number[right]
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        pair, edge = np.unique(left * len(nodes) + right, return_inverse=True)
        kappa, size = (np.bincount(edge, part.ravel(), minlength=len(pair)) for part in (parts, sizes))
        carries = np.abs(kappa) > RIGHT_ANGLE * size
        first, last = np.divmod(pair[carries], len(nodes))
        span = nodes[last] - nodes[first]
        return cls(first, last, kappa[carries], nodes[first][:, None] + _POINTS[:, None] * span[:, None], span)


@dataclass(frozen=True)
class _Exponents:
    """What an edge needs to know of the equation.

    Attributes:
        total: beta(1), (n,).
        resistance: Mean of 1/D under e^beta, (n,): a constant D and a linear beta give 1/D.
        by_weight: beta is a difference of the weight's own potential.
    """

    total: Array
    resistance: Array
    by_weight: bool


def _exponents(edges: _Edges, nodes: Array, model: Model, weight: Weight, comm: MPI.Comm) -> _Exponents:
    """beta at the ends and the mean of e^beta / D, from a potential where one absorbs the drift to round-off."""
    shape, dimension = edges.points.shape[:2], nodes.shape[1]
    points = edges.points.reshape(-1, dimension)
    everywhere = finite(model(np.vstack([points, nodes])), np.vstack([points, nodes]), comm)
    scalar, at_nodes = np.split(_scalar(everywhere.diffusion, np.vstack([points, nodes]), comm), [len(points)])
    advection = everywhere.advection[: len(points)]
    diffusion = scalar.reshape(shape)

    candidates = [weight.potential] if model.potential is None else [weight.potential, model.potential]
    known = next((psi for psi in candidates if is_absorbed(advection, scalar[:, None] * psi(points)[1], comm)), None)
    if known is None:
        slope = np.einsum("nqd,nd->nq", advection.reshape(*shape, dimension), edges.span) / diffusion
        total, inside = slope @ _WEIGHTS, slope @ _INTEGRALS.T
    else:
        ends, start = known(nodes)[0], known(nodes[edges.first])[0]
        total, inside = ends[edges.last] - start, known(points)[0].reshape(shape) - start[:, None]
    bubble = np.pad(inside - total[:, None] * _POINTS, ((0, 0), (1, 1)))
    along = np.column_stack([at_nodes[edges.first], diffusion, at_nodes[edges.last]])
    resistance = _fitted_mean(total, bubble - np.log(along))
    bad = ~(np.isfinite(resistance) & (resistance > 0.0) & np.isfinite(total))
    agree(comm, _unresolved(edges, bad) if bad.any() else None)
    return _Exponents(total, resistance, known is weight.potential)


def _fitted_mean(total: Array, bubble: Array) -> Array:
    """Mean of e^bubble over an edge under the weight e^(total s), by Gauss points in the cumulative variable.

    Exact where beta is linear, however steep, and always positive. Three plain Gauss points agree with it on a resolved
    edge; on a steep one they miss the end where e^beta lives, and at 50 nats the rate is wrong by a factor of 20.

    Args:
        total: beta(1), (n,).
        bubble: beta - total s - log D at the start, the Gauss points and the end, (n, 5); a quartic in between.
    """
    steep = np.abs(total)[:, None] > 1e-30
    size = np.where(steep, np.abs(total)[:, None], 1.0)
    below_top = np.where(steep, -np.log1p(_MEAN_POINTS * np.expm1(-size)) / size, _MEAN_POINTS)
    s = np.where(total[:, None] > 0.0, 1.0 - below_top, below_top)
    coefficients = (bubble @ _QUARTIC.T).T[:, :, None]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.exp(np.polynomial.polynomial.polyval(s, coefficients, tensor=False)) @ _MEAN_WEIGHTS)


def _flows(edges: _Edges, exponents: _Exponents, density: Array, *, reversible: bool) -> tuple[Array, Array]:
    """w_i g_ij and w_j g_ji of each edge; the same number where detailed balance holds."""
    rising = exponents.total > 0.0
    height = np.abs(exponents.total)
    # Bernoulli function z/(e^z - 1) at -|beta| and at |beta|
    downhill = np.where(height > 0.0, height / -np.expm1(-np.where(height > 0.0, height, 1.0)), 1.0)
    conductance = edges.kappa / exponents.resistance
    if reversible:
        higher = np.where(rising, density[edges.last], density[edges.first])
        flow = conductance * downhill * higher
        return flow, flow
    uphill = downhill * np.exp(-height)
    return (
        conductance * density[edges.first] * np.where(rising, uphill, downhill),
        conductance * density[edges.last] * np.where(rising, downhill, uphill),
    )


def _assembled(space: fem.FunctionSpace, edges: _Edges, forth: Array, back: Array) -> PETSc.Mat:
    """K from the flows of all ranks' edges: each one is added to its row's diagonal, so that rows sum to zero."""
    index_map = space.dofmap.index_map
    first, last = (index_map.local_to_global(end.astype(np.int32)) for end in (edges.first, edges.last))
    matrix = PETSc.Mat().create(space.mesh.comm)
    matrix.setSizes(((index_map.size_local, index_map.size_global),) * 2)
    matrix.setType(PETSc.Mat.Type.AIJ)
    matrix.setPreallocationCOO(
        np.concatenate([first, first, last, last]).astype(PETSc.IntType),
        np.concatenate([first, last, last, first]).astype(PETSc.IntType),
    )
    matrix.setValuesCOO(np.concatenate([forth, -forth, back, -back]))
    return matrix


def _diagonal(values: Array, like: PETSc.Mat) -> PETSc.Mat:
    """A diagonal matrix of this rank's values with the layout of another one."""
    matrix = PETSc.Mat().create(like.getComm())
    matrix.setSizes(like.getSizes())
    matrix.setType(PETSc.Mat.Type.AIJ)
    rows = np.arange(*like.getOwnershipRange(), dtype=PETSc.IntType)
    matrix.setPreallocationCOO(rows, rows)
    matrix.setValuesCOO(values)
    return matrix


def _scalar(diffusion: Array, points: Array, comm: MPI.Comm) -> Array:
    """d where D = d I, (n,).

    Raises:
        BadUsage: D is something else at a point of any rank.
    """
    dimension = diffusion.shape[1]
    values = np.trace(diffusion, axis1=1, axis2=2) / dimension
    difference = np.abs(diffusion - values[:, None, None] * np.eye(dimension)).max(axis=(1, 2))
    scalar = difference <= ISOTROPIC * np.abs(values)
    largest = comm.allreduce(np.abs(values).max(initial=0.0), MPI.MAX)
    wrong = ~(scalar & (values > VANISHING * largest))
    error = None
    if wrong.any():
        where = int(wrong.argmax())
        what = "vanishes" if scalar[where] else f"is {_written(diffusion[where])}"
        error = BadUsage(
            'discretization.scheme: "monotone" needs a diffusion that is a positive multiple of the identity, and at '
            f'{_written(points[where])} it {what}; write discretization.scheme = "weighted"'
        )
    agree(comm, error)
    return np.asarray(values)


def _unresolved(edges: _Edges, bad: npt.NDArray[np.bool_]) -> BadUsage:
    return BadUsage(
        "domain.cells: the drift varies by hundreds of nats of noise inside the cell at "
        f"{_written(edges.points[int(bad.argmax()), 1])}, and rates overflow; "
        "refine the mesh, or write a smaller domain or a larger noise.regularization"
    )


def _written(values: Array) -> str:
    if not np.ndim(values):
        return f"{float(values):.6g}"
    return "[" + ", ".join(_written(value) for value in values) + "]"
