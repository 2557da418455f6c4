"""Masses and moments of a density as linear functionals of h, all evaluated in one reduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.case import Region
from fpsolver.domain.regions import at_points
from fpsolver.domain.rules import region_rule
from fpsolver.generator.generator import Generator

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What a density weighs and where it is.

    Attributes:
        mass: Total mass.
        mean: (d,), of the normalised density.
        covariance: (d, d).
        regions: Mass in each region.
        loss: Mean of the loss, of the normalised density; None where none was given.
    """

    mass: float
    mean: Array
    covariance: Array
    regions: dict[str, float]
    loss: float | None = None


class Observables:
    """Functionals of the density w h on one generator.

    Args:
        generator: The generator.
        coordinates: Their names.
        regions: By name.
        loss: From points (n, d) to (n,); None where there is none.

    Attributes:
        lowest_loss: On the mesh; 0 where there is none.
    """

    lowest_loss = 0.0

    def __init__(
        self,
        generator: Generator,
        coordinates: Sequence[str],
        regions: Mapping[str, Region],
        loss: Callable[[Array], Array] | None = None,
    ) -> None:
        quadrature = generator.quadrature
        points = quadrature.points[: quadrature.cells.owned]
        self._dimension = points.shape[2]
        # moments about the middle of the domain: squares of far coordinates would cancel
        self._centre = _middle(generator)
        offset = points - self._centre
        self._pairs = [(i, j) for i in range(self._dimension) for j in range(i, self._dimension)]
        self._names = list(regions)
        self._functionals: list[PETSc.Vec] = [generator.observable(np.ones(offset.shape[:2]))]
        self._functionals += [generator.observable(offset[:, :, i]) for i in range(self._dimension)]
        self._functionals += [generator.observable(offset[:, :, i] * offset[:, :, j]) for i, j in self._pairs]
        for region in regions.values():
            rule = region_rule(quadrature.cells, at_points(region.level, coordinates), quadrature.degree)
            self._functionals.append(generator.observable_of_rule(rule))
        self._weighs_loss = loss is not None
        if loss is not None:
            values = loss(points.reshape(-1, self._dimension)).reshape(points.shape[:2])
            self._functionals.append(generator.observable(values))
            self.lowest_loss = float(generator.comm.allreduce(values.min(initial=np.inf), MPI.MIN))

    def __call__(self, vector: PETSc.Vec) -> Moments:
        """The moments of w h. Collective."""
        values = np.asarray(vector.mDot(self._functionals))
        d = self._dimension
        mass = float(values[0])
        first = values[1 : 1 + d] / mass
        second = np.empty((d, d))
        for (i, j), value in zip(self._pairs, values[1 + d :], strict=False):
            second[i, j] = second[j, i] = value / mass
        masses = values[1 + d + len(self._pairs) :][: len(self._names)]
        loss = float(values[-1]) / mass if self._weighs_loss else None
        regions = {name: float(value) for name, value in zip(self._names, masses, strict=True)}
        return Moments(mass, first + self._centre, second - np.outer(first, first), regions, loss)


def _middle(generator: Generator) -> Array:
    volume = generator.quadrature.measure
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    sums = np.append(np.einsum("cq,cqd->d", volume, points), volume.sum())
    total = generator.comm.allreduce(sums)
    return np.asarray(total[:-1] / total[-1])
