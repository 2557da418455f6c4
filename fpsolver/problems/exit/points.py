"""Where on the exit set a process leaves: harmonic measure, from points, densities and the quasi-stationary state.

With K^T h = s where nothing is fixed, s the functional of a start, what is missing in that equation at a node of the
exit set is the probability to leave with its basis function. It is an outflow, and exactly that for which the mean of
any u given on the exit set is the value at the start of the solution of K u = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.case import Region
from fpsolver.domain.regions import at_points
from fpsolver.generator.exit_set import ExitSet, values_at
from fpsolver.generator.pinned import Pinned
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

BESIDE = 1e-6
"""What is next to a point of the exit set is looked up so far off the edge of the region, relative to its size ..."""

FARTHEST = 0.01
"""... which is itself nearer to the point than this: facets are as good as the edge."""

PRESENT = 1e-9
"""A part of the exit set smaller than this fraction is none."""

ELSEWHERE, BOUNDARY = "elsewhere", "boundary"


@dataclass(frozen=True)
class ExitPoints:
    """The distributions of the exit point from several starts.

    Attributes:
        exits: The exit set.
        probabilities: To leave with each basis function, (active nodes, starts).
    """

    exits: ExitSet
    probabilities: Array

    @property
    def total(self) -> Array:
        """Probability to leave at all, (starts,)."""
        return np.asarray(self.probabilities.sum(axis=0))

    @cached_property
    def density(self) -> Array:
        """Coefficients of densities per length (per area; on a line the probability itself), (facets, m, starts)."""
        return self.exits.densities(self.probabilities)

    @cached_property
    def sampled(self) -> tuple[Array, Array, Array]:
        """Points (n, d), their shares of the exit set (n,), and densities there (n, starts)."""
        at, weights = self.exits.rule
        points = self.exits.facets.points(at).reshape(-1, self.exits.dimension)
        return points, weights.ravel(), self.exits.values(at, self.density).reshape(len(points), -1)

    @property
    def negative(self) -> float:
        """The largest negative part of a distribution averaged over facets: averages are what a mesh can know."""
        _, weights, density = self.sampled
        facets = (weights[:, None] * density).reshape(len(self.exits.facets), -1, density.shape[1]).sum(axis=1)
        return float(np.maximum(-facets, 0.0).sum(axis=0).max(initial=0.0))

    @property
    def extent(self) -> float:
        """Size of the exit set."""
        return float(np.ptp(self.exits.coordinates, axis=0).max(initial=0.0)) or 1.0

    def moments(self, number: int) -> tuple[Array, Array]:
        """Mean (d,) and covariance (d, d) of the exit point from a start, given that the process leaves."""
        points, masses = self.exits.coordinates, self.probabilities[:, number] / self.total[number]
        mean = masses @ points
        return mean, np.asarray((masses[:, None] * (points - mean)).T @ (points - mean))

    def mode(self, number: int) -> Array:
        """Where the density is highest, (d,)."""
        points, _, density = self.sampled
        return np.asarray(points[int(density[:, number].argmax())])

    def into(self, region: Region, others: Sequence[Region], coordinates: Sequence[str]) -> dict[str, Array]:
        """Probabilities to leave into neighbouring regions, elsewhere, or through walls, (starts,) each.

        A region counts where it begins: it holds what is next to the exit point outside, and not what is inside. Where
        several do, they are named together, so that all probabilities add up to that to leave at all.
        """
        beside = _beside(region, others, coordinates, self.extent)
        at, _ = self.exits.rule
        d = self.exits.dimension
        begins = beside(self.exits.facets.points(at).reshape(-1, d), self.exits.facets.normals(at).reshape(-1, d))
        near = np.flatnonzero(begins[~np.repeat(self.exits.wall, at.shape[1])].any(axis=0)).tolist()
        through_wall = 1 << len(near)

        def parts(points: Array, normals: Array, wall: Bools) -> Ints:
            found = beside(points, normals)[:, near] @ (1 << np.arange(len(near)))
            return np.asarray(np.where(wall, through_wall, found), dtype=np.int64)

        measured = np.concatenate(
            [self.density, np.ones((*self.density.shape[:2], 1))], axis=2
        )  # functions add up to 1
        masses = self.exits.parted(parts, through_wall + 1, measured)
        seen = masses[:, -1] > PRESENT * masses[:, -1].sum()
        names = [
            " and ".join(others[i].name for k, i in enumerate(near) if code >> k & 1) for code in range(through_wall)
        ]
        names = [name or ELSEWHERE for name in names] + [BOUNDARY]
        found = {name: mass[:-1] for name, mass, is_seen in zip(names, masses, seen, strict=True) if is_seen}
        return dict(sorted(found.items(), key=lambda item: item[0] in (ELSEWHERE, BOUNDARY)))


def exit_points(inverse: Pinned, exits: ExitSet, starts: Sequence[PETSc.Vec]) -> ExitPoints:
    """The distributions from starts, given as functionals. Collective."""
    flows = []
    for start in starts:
        density, flow = inverse.solve_transposed(start), start.duplicate()
        inverse.generator.stiffness.multTranspose(density, flow)
        flow.aypx(-1.0, start)
        flows.append(flow)
    return ExitPoints(exits, values_at(exits, flows))


def entry_of(found: ExitPoints, number: int, into: dict[str, Array]) -> dict[str, object]:
    """What ``results.json`` says about the exit point from a start."""
    mean, covariance = found.moments(number)
    size = found.extent
    return {
        "exit_point": {
            "mean": [Quantity(float(x), size=size) for x in mean],
            "covariance": [[Quantity(float(x), size=size**2) for x in row] for row in covariance],
            "mode": [float(x) for x in found.mode(number)],
        },
        "leaves_into": {name: Quantity(float(masses[number]), size=1.0) for name, masses in into.items()},
    }


def table_of(found: ExitPoints, coordinates: Sequence[str], names: Sequence[str]) -> tuple[list[str], Array]:
    """Columns and rows of ``exit_points_<region>.csv``: along the curves of the plane, in space one row per facet.

    Args:
        found: The distributions.
        coordinates: Names of the coordinates.
        names: Of the columns of the distributions.
    """
    columns = [*coordinates, "measure", *names]
    d = found.exits.dimension
    if d == 1:
        points, weights, density = found.sampled
        return columns, np.column_stack([points, weights, density])
    if d == 3:
        points, weights, density = (part.reshape(len(found.density), -1, *part.shape[1:]) for part in found.sampled)
        measure = weights.sum(axis=1)[:, None]
        middles = np.einsum("fq,fqd->fd", weights, points) / measure
        return columns, np.column_stack([middles, measure, np.einsum("fq,fqk->fk", weights, density) / measure])
    sequence, curve, backward = found.exits.facets.chained()
    chained = ExitPoints(found.exits.taken(sequence), found.probabilities)
    points, weights, density = chained.sampled
    at, shares = chained.exits.rule
    lengths = shares.sum(axis=1)
    begins = np.cumsum(lengths) - lengths
    begins -= begins[np.searchsorted(curve, curve)]  # each curve from 0 on
    along = begins[:, None] + lengths[:, None] * np.where(backward[:, None], 1.0 - at[:, :, 0], at[:, :, 0])
    rows = np.arange(along.size).reshape(along.shape)
    rows[backward] = rows[backward, ::-1]
    order = rows.ravel()
    points, weights, density = points[order], weights[order], density[order]
    curves, along = np.repeat(curve, along.shape[1]), along.ravel()[order]
    columns[2:2] = ["curve", "along"]
    return columns, np.column_stack([points, curves, along, weights, density])


def _beside(
    region: Region, others: Sequence[Region], coordinates: Sequence[str], size: float
) -> Callable[[Array, Array], Bools]:
    """From points on the edge of a region and outward normals, (n, d), to which others begin there, (n, others)."""
    level = at_points(region.level, coordinates)
    slopes = [at_points(region.level.derivative(name), coordinates) for name in coordinates]
    levels = [at_points(other.level, coordinates) for other in others]

    def beside(points: Array, normals: Array) -> Bools:
        rise = sum(slope(points) * normals[:, i] for i, slope in enumerate(slopes))
        missing = -level(points) / np.where(np.abs(rise) > 1e-150, rise, np.inf)
        edge = points + np.clip(np.nan_to_num(missing), -FARTHEST * size, FARTHEST * size)[:, None] * normals
        step = BESIDE * size * normals
        if not levels:
            return np.zeros((len(points), 0), dtype=bool)
        return np.stack([(other(edge + step) < 0) & ~(other(edge - step) < 0) for other in levels], axis=1)

    return beside
