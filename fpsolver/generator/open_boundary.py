"""Where a density leaves a domain through its boundary, where it comes in, and how much of it has.

A facet belongs to a part of the boundary if its middle does. On an absorbing part with outward normal n

    n . D n > 0                  noise carries paths out: h = 0 there, as u = 0 for the backward equation
    n . D n = 0, -a . n > 0      drift carries them out: nothing may be imposed on a density, and it flows out freely,
                                 K gains the integral of w (-a . n) u v over that part
    n . D n = 0, -a . n <= 0     nothing leaves, whatever is asked for

and what comes in with a given density of flux is a functional of its own. With E the nodes where h = 0, T = K with the
outflow, F all other nodes and S_p the part of E on a part p of the boundary, the state (h_F, b_p) obeys

    M_FF dh/dt = -T_FF^T h + source,    db_p/dt = -(T_FS 1)^T h + outflow_p . h,    absorbed_p = b_p - 1_S . M h

which are M dh/dt = -T^T h - r with the reaction r on E, whose integral over time is what was absorbed. The matrices of
that state have constants in their kernel, as K has: what is left and what was absorbed, less what came in, is kept to
round-off by whatever conserves mass, and no solver has to know of a boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.domain.boundary_rule import BoundaryRule, boundary_rule, outer_facets
from fpsolver.domain.levelset import Level
from fpsolver.domain.rules import Rule
from fpsolver.domain.singular import ALONG
from fpsolver.generator.boundary import across, nodes_of
from fpsolver.generator.generator import Generator

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Parts = Callable[[Array, Array], Ints]
"""Points (n, d) of the boundary and outward normals there -> numbers of parts, (n,)."""
Influx = tuple[Callable[[Array], Array], Level]


@dataclass(frozen=True)
class OpenBoundary:
    """What leaves and what comes in, for one generator.

    Attributes:
        generator: Of the density, whose boundary reflects.
        closed: For each part the owned nodes where h = 0, each in one part, (parts, owned).
        outflow: For each part v -> integral of w (-a . n) v over what drift alone leaves through.
        transport: K with the outflow.
        source: v -> integral of influx v, None where nothing comes in.
        characteristic: Share of the absorbing boundary that drift alone leaves through, and that nothing leaves.
    """

    generator: Generator
    closed: Bools
    outflow: Sequence[PETSc.Vec]
    transport: PETSc.Mat
    source: PETSc.Vec | None
    characteristic: tuple[float, float]

    @property
    def fixed(self) -> Bools:
        """Owned nodes where h = 0, (owned,)."""
        return np.asarray(self.closed.any(axis=0))

    @property
    def killed(self) -> Generator:
        """The generator with the outflow; where nodes are fixed is up to who solves with it."""
        return replace(self.generator, stiffness=self.transport, reversible=self.generator.reversible and self.is_noisy)

    @property
    def is_noisy(self) -> bool:
        """Noise carries out all that leaves."""
        return self.characteristic[0] == 0.0

    @cached_property
    def drain(self) -> PETSc.Vec:
        """The outflow through all parts: T 1."""
        total = self.generator.one.duplicate()
        total.set(0.0)
        total.maxpy([1.0] * len(self.outflow), list(self.outflow))
        return total

    @cached_property
    def takes(self) -> tuple[bool, ...]:
        """Through which parts something can leave. Collective at first use."""
        local = [float(mask.sum()) for mask in self.closed]
        nodes = self.generator.comm.allreduce(np.array(local))
        return tuple(bool(count or out.norm()) for count, out in zip(nodes, self.outflow, strict=True))

    @property
    def entering(self) -> float:
        """Mass that comes in per time."""
        return 0.0 if self.source is None else float(self.source.sum())


def open_boundary(
    generator: Generator, absorbing: Level, parts: Parts, count: int, influx: Influx | None
) -> OpenBoundary:
    """Find out where the density of a generator leaves. Collective.

    Args:
        generator: With reflecting walls.
        absorbing: Negative on the absorbing part of the boundary.
        parts: Which part of the boundary a point belongs to.
        count: Of parts.
        influx: What comes in per area and time at points (n, d), (n,), and the level that is negative where it does;
            None: nothing comes in.
    """
    space, model = generator.space, generator.model
    domain, quadrature = space.mesh, generator.quadrature
    boundary = boundary_rule(domain, quadrature.cells, 2 * generator.degree + 4)
    points, normals = boundary.rule.points, boundary.normals
    middle = boundary_rule(domain, quadrature.cells, 1)  # one point per facet, in the order of the larger rule
    leaving, place = absorbing(middle.rule.points) < 0.0, parts(middle.rule.points, middle.normals)
    each = len(points) // max(len(leaving), 1)  # points per facet, which belongs to a part as a whole
    here, number = np.repeat(leaving, each), np.repeat(place, each)
    noise, drift, _ = across(model, points, normals)
    flows = here & (noise <= ALONG) & (drift > 0.0)

    cell, facet = outer_facets(domain)
    order = np.argsort(facet, kind="stable")
    cell, facet = cell[order], facet[order]
    closed = np.zeros((count, generator.one.getLocalSize()), dtype=bool)
    for part in range(count):
        chosen = leaving & (place == part)
        nodes = nodes_of(space, (cell[chosen], facet[chosen]), lambda at, outward: _noisy(generator, at, outward))
        closed[part] = nodes & ~closed[:part].any(axis=0)

    speed = np.where(flows, drift, 0.0)
    through = [_weighted(boundary.rule, np.where(number == part, speed, 0.0)) for part in range(count)]
    outflow = [generator.observable_of_rule(rule) for rule in through]
    weights = boundary.rule.weights
    shares = [weights[here].sum(), weights[flows].sum(), weights[here & (noise <= ALONG) & ~flows].sum()]
    area, out, nothing = generator.comm.allreduce(np.array(shares))
    transport = generator.stiffness
    if out > 0.0:
        transport = transport.copy()
        transport.axpy(1.0, _outflow_matrix(generator, boundary, speed, outflow))
    source = None
    if influx is not None:
        density, where = influx
        enters = np.repeat(where(middle.rule.points) < 0.0, each)
        source = quadrature.functional_of_rule(boundary.rule, np.where(enters, density(points), 0.0))
    characteristic = (float(out / area), float(nothing / area)) if area > 0.0 else (0.0, 0.0)
    return OpenBoundary(generator, closed, outflow, transport, source, characteristic)


def _noisy(generator: Generator, points: Array, normals: Array) -> Bools:
    """Whether noise carries paths across at points (k, nodes, d) with normals there, (k, nodes)."""
    dimension = points.shape[2]
    noise, _, _ = across(generator.model, points.reshape(-1, dimension), normals.reshape(-1, dimension))
    return np.asarray(noise.reshape(points.shape[:2]) > ALONG)


def _weighted(rule: Rule, values: Array) -> Rule:
    return replace(rule, weights=rule.weights * values)


def _outflow_matrix(
    generator: Generator, boundary: BoundaryRule, speed: Array, outflow: Sequence[PETSc.Vec]
) -> PETSc.Mat:
    """The integral of w (-a . n) u v over the outflow; of the monotone companion what leaves each node."""
    matrix = PETSc.Mat().create(comm=generator.comm)
    matrix.setSizes(generator.stiffness.getSizes())
    matrix.setType(PETSc.Mat.Type.AIJ)
    if generator.nodal is not None:
        start, end = generator.stiffness.getOwnershipRange()
        own = np.arange(start, end, dtype=PETSc.IntType)
        matrix.setPreallocationCOO(own, own)
        matrix.setValuesCOO(np.sum([part.array_r for part in outflow], axis=0))
        return matrix
    rule, dofmap = boundary.rule, generator.space.dofmap
    basis = generator.space.element.basix_element.tabulate(0, rule.reference)[0, :, :, 0]
    values = rule.weights * speed * generator.weight.density(rule.points)
    used = values != 0.0
    local = np.einsum("n,na,nb->nab", values[used], basis[used], basis[used])
    dofs = dofmap.list[rule.cell[used]]
    numbers = dofmap.index_map.local_to_global(dofs.ravel().astype(np.int32)).reshape(dofs.shape)
    rows = np.broadcast_to(numbers[:, :, None], local.shape).ravel().astype(PETSc.IntType)
    columns = np.broadcast_to(numbers[:, None, :], local.shape).ravel().astype(PETSc.IntType)
    matrix.setPreallocationCOO(rows, columns)
    matrix.setValuesCOO(local.ravel())
    return matrix
