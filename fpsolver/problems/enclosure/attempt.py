"""One attempt at two-sided bounds of a mean exit time, on one mesh: what is computed, and where it does not suffice.

u solves the exit problem with elements of high degree, v the same with a source s > 0 in place of 1. s grows like the
inverse of the stationary density up to the highest pass, but only so much that v is about twice u at the starts. See
`fpsolver.problems.enclosure.comparison` for what is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc
from scipy import special

from fpsolver.domain.region_mesh import RegionMesh
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.pointwise import CellSamples, FacetSamples
from fpsolver.generator.tent import Tent, tent
from fpsolver.generator.weight import BEND, Weight, bend
from fpsolver.linalg import SolveCount
from fpsolver.problems.enclosure.comparison import Defects
from fpsolver.problems.enclosure.curved_edge import CurvedEdge, missed
from fpsolver.problems.landscape.passes import Door

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP = 1e-5
"""For second derivatives of log s, which enter multiplied by something small, in units of the domain."""

SPREADING = 10
"""Sharpness of ridges is handed on to so many neighbours ..."""

HANDED_ON = 0.7
"""... each time so much less."""

BETWEEN = 1.1
"""Bounds are wider than samples ask for by this factor, for what happens between them."""

STEEPEST, HIGHEST = 0.1, 6.0
"""Beyond the highest pass the source rises by so many nats per nat of the potential at most, and so many in all."""

NOT_POSITIVE = "the computed times are not positive: the mesh is too coarse"

SINGULAR = 1e-12
"""Least eigenvalue of D, as a fraction of the largest anywhere, for the maximum principle to hold."""


@dataclass(frozen=True)
class Source:
    """s = 1 + exp(b - c), b the exponent of the weight above its floor, beyond the highest pass bent to a gentle rise.

    Attributes:
        weight: With its floor.
        passes: Height of the highest pass, in nats.
        rise: Of b per nat, far beyond the pass.
        offset: c.
    """

    weight: Weight
    passes: float
    rise: float
    offset: float = 0.0

    def height(self, points: Array) -> tuple[Array, Array]:
        """b (n,) and its gradient (n, d) at points (n, d)."""
        exponent, slope = self.weight.potential(points)
        bent, share = bend(exponent - self.weight.floor, self.passes)
        beyond = (exponent - self.weight.floor - self.passes) / BEND
        more = self.rise * BEND * np.logaddexp(0.0, beyond)
        return bent + more, (share + self.rise * special.expit(beyond))[:, None] * slope

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """log s (n,) and its gradient (n, d) at points (n, d)."""
        height, slope = self.height(points)
        above = height - self.offset
        return np.logaddexp(0.0, above), special.expit(above)[:, None] * slope


def source_of(generator: Generator, passes: float) -> Source:
    """The source whose two terms the process meets alike."""
    points = generator.quadrature.points.reshape(-1, generator.model.dimension)
    exponent = generator.weight.potential(points)[0] - generator.weight.floor
    measure = generator.quadrature.measure.ravel()
    rise = min(STEEPEST, HIGHEST / max(float(exponent.max()) - passes, 1.0))
    source = Source(generator.weight, passes, rise)
    met = measure @ np.exp(source.height(points)[0] - exponent)
    return replace(source, offset=float(np.log(met / (measure @ np.exp(-exponent)))))


@dataclass(frozen=True)
class Attempt:
    """What an attempt found.

    Attributes:
        defects: What u misses.
        times: u and v from each start, (starts, 2).
        shift: Least constant that makes s T + shift >= 0 on the exit set.
        edge: |u| and |v| are not more than this on the exit set: where the edge of the region is, where it is curved
            and the mesh meets it only nearly, (2,).
        edges: Of u, with what s T needs there, for each cell, (cells,).
        values: u and v at the samples of the cells, (2, cells, q).
        unknowns: Work.
    """

    defects: Defects
    times: Array
    shift: float
    edge: Array
    edges: Array
    values: Array
    unknowns: int

    def bounds(self, start: int) -> tuple[float, float] | None:
        """Lower and upper bound of the mean time from a start; None if there are none on this mesh."""
        u, v = self.times[start]
        costs = (float(v), max(self.shift, 1e-12 * float(u)))
        below, above = self.defects.lower(costs), self.defects.upper(costs)
        if below is None or above is None:
            return None
        down, up = (BETWEEN * (a * (v + self.edge[1]) + b * self.shift) + self.edge[0] for a, b in (below, above))
        return max(float(u - down), 0.0), float(u + up)

    def longest(self) -> float | None:
        """Upper bound of the mean time from anywhere in the region; None if there is none on this mesh."""
        found = self.defects.upper((float(self.values[1].max()), max(self.shift, 1e-12)))
        if found is None:
            return None
        a, b = (BETWEEN * number for number in found)
        rest = self.edge[0] + a * self.edge[1] + b * self.shift
        return float((self.values[0] + a * self.values[1]).max() + rest)

    def too_large(self, goal: float) -> Array:
        """For each cell by how much it misses what bounds with this relative distance need; fine up to 1, (cells,)."""
        growth = float((self.times[:, 1] / self.times[:, 0]).max())
        shape = self.values.shape[1:]
        found, source = self.defects, self.defects.source
        needed = np.maximum(np.abs(found.residual), 2.0 * np.abs(found.sag)) * growth / (0.25 * goal)
        needed = np.maximum(needed / np.maximum(source, 0.5), 1.5 * (0.5 - source) + 1.0 * (source < 0.5))
        at_edge = self.edges / float(self.times[:, 0].min())
        return np.asarray(np.maximum(needed.reshape(shape).max(axis=1), at_edge / (0.25 * goal)))


def attempt(
    generator: Generator, region: RegionMesh, bent: RegionMesh | None, fixed: Bools, pins: Array, passes: float,
    starts: Sequence[PETSc.Vec], door: Door, goal: float,
) -> Attempt | str:  # fmt: skip
    """Solve on a mesh that is whole on one rank and look at every point; a text says why that is in vain.

    Args:
        generator: On the mesh of the region.
        region: That mesh.
        bent: With those facets of the exit set alone that lie on a curved edge; None where all are straight.
        fixed: Nodes of the exit set.
        pins: See `Pinned`.
        passes: Height of the highest pass, in nats.
        starts: Functionals of the starts.
        door: The edge of the region.
        goal: Relative distance of the bounds that is wanted.
    """
    domain, model, steps = region.mesh, generator.model, generator.degree + 2
    samples = CellSamples(domain, model, steps)
    eigenvalues = np.linalg.eigvalsh(samples.diffusion)
    if not eigenvalues[..., 0].min() > SINGULAR * eigenvalues[..., -1].max():
        return "noise does not act in all directions everywhere, and the comparison needs that"
    source = source_of(generator, passes)
    inverse = Pinned(generator, fixed, pins, "enclosure", SolveCount())
    points = generator.quadrature.points
    density = np.exp(source(points.reshape(-1, points.shape[2]))[0]).reshape(points.shape[:2])
    cells, local = region.exit_facets()
    edge = None if bent is None else CurvedEdge(generator, bent, door)
    loads = (generator.total, generator.observable(density))
    solved = [inverse.solve_apart(load) if edge is None else edge.solve(inverse, load) for load in loads]
    inverse.destroy()
    locals_ = [vector.array_r[generator.quadrature.dofs] for _, vector in solved]
    times = np.array([[constant + start.dot(vector) for constant, vector in solved] for start in starts])
    if not (np.isfinite(times).all() and (times > 0.0).all()):
        return NOT_POSITIVE

    facets, few = FacetSamples(domain, model, steps), FacetSamples(domain, model, 2)
    used = np.ones(len(facets.sides), dtype=bool)
    used[facets.of_cells[cells, local]] = False
    scale = np.exp(_log(source, facets.points)) * facets.size[:, None]
    element = generator.space.element.basix_element
    kinks = [facets.kinks(element, coefficients) for coefficients in locals_]
    growth = float((times[:, 1] / times[:, 0]).max())
    wanted = np.abs(kinks[0] / scale).max(axis=1) + 0.25 * goal / growth * np.abs(kinks[1] / scale).max(axis=1)
    sharp = _handed_on(np.where(used, np.maximum(wanted, 1e-3 * goal / growth), 0.0), facets)
    roof = tent(domain, model, few, used, _growth(source, few), sharp)
    if roof is None:
        return "the cells are too obtuse for the noise"
    ridge = facets.kinks(roof.element, roof.coefficients, _growth(source, facets)) / facets.size[:, None]
    jets = [samples.jet(element, coefficients) for coefficients in locals_]
    logs = _log(source, samples.points)
    of_tent, sag = _sag(samples, source, roof)
    defects = Defects(
        ((1.0 + jets[0][2]) * np.exp(-logs)).ravel(),
        (-jets[1][2] * np.exp(-logs)).ravel(),
        sag.ravel(),
        (kinks[0] / scale)[used].ravel(),
        (kinks[1] / scale)[used].ravel(),
        ridge[used].ravel(),
    )
    values = np.array([constant + jet[0] for (constant, _), jet in zip(solved, jets, strict=True)])
    depth = np.zeros(len(of_tent))
    depth[cells] = -(np.exp(logs) * of_tent)[cells].min(axis=1)
    at_facets = [constant + facets.values(element, part) for (constant, _), part in zip(solved, locals_, strict=True)]
    curved = np.zeros(len(used), dtype=bool)
    if bent is not None:
        curved[facets.of_cells[bent.exit_facets()]] = True
    beyond = np.array(
        [
            np.where(used | curved, 0.0, np.abs(value).max(axis=1)) + missed(door, facets, curved, value, slope)
            for value, slope in zip(at_facets, kinks, strict=True)
        ]
    )
    edges = beyond[0][facets.of_cells].max(axis=1) + depth
    shift = float(depth.max(initial=0.0))
    return Attempt(defects, times, shift, beyond.max(axis=1), edges, values, generator.unknowns)


def _log(source: Source, points: Array) -> Array:
    return source(points.reshape(-1, points.shape[-1]))[0].reshape(points.shape[:-1])


def _growth(source: Source, facets: FacetSamples) -> Array:
    """n . D grad log s where there is one side, 0 inside."""
    slope = source(facets.points.reshape(-1, facets.points.shape[2]))[1].reshape(facets.points.shape)
    return np.asarray(np.einsum("fqi,fqi->fq", facets.conormal, slope) * (facets.sides == 1)[:, None])


def _handed_on(wanted: Array, facets: FacetSamples) -> Array:
    """Sharpness that does not fall by much from one facet to the next."""
    for _ in range(SPREADING):
        around = wanted[facets.of_cells].max(axis=1)
        spread = np.zeros_like(wanted)
        np.maximum.at(spread, facets.of_cells.ravel(), np.repeat(HANDED_ON * around, facets.of_cells.shape[1]))
        wanted = np.maximum(wanted, spread)
    return np.asarray(wanted)


def _sag(samples: CellSamples, source: Source, roof: Tent) -> tuple[Array, Array]:
    """T and -L(s T)/s at the samples: L T + 2 grad log s . D grad T + T (L log s + grad log s . D grad log s)."""
    value, slope, image = samples.jet(roof.element, roof.coefficients)
    flat = samples.points.reshape(-1, samples.points.shape[2])
    growth = source(flat)[1].reshape(samples.points.shape)
    bends = np.zeros(samples.diffusion.shape)
    step = STEP * float(np.ptp(flat, axis=0).max())
    for axis, way in enumerate(step * np.eye(flat.shape[1])):
        rise = (source(flat + way)[1] - source(flat - way)[1]) / (2.0 * step)
        bends[..., axis] = rise.reshape(samples.points.shape)
    carried = np.einsum("cqi,cqij->cqj", growth, samples.diffusion)
    of_log = np.einsum("cqij,cqij->cq", samples.diffusion, bends)
    of_log += np.einsum("cqi,cqi->cq", carried + samples.drift, growth)
    return value, -(image + 2.0 * np.einsum("cqi,cqi->cq", carried, slope) + value * of_log)
