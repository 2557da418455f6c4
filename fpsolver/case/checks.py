"""What sampling shows: values that are not finite, D that is no diffusion tensor, empty regions, misplaced points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression, Program
from fpsolver.case.fields import MAX_EVALUATIONS, affordable, at_points, matrix_field, value
from fpsolver.case.ledger import Ledger
from fpsolver.case.openings import check_boundary
from fpsolver.case.positions import Path
from fpsolver.case.sampling import dense, lattice_points, lowest, random_points
from fpsolver.case.sections import (
    Ball,
    Boundary,
    Committor,
    Data,
    Domain,
    Exit,
    Initial,
    Loss,
    Matrix,
    Noise,
    Point,
    Region,
    Table,
)
from fpsolver.case.wording import named

Array = NDArray[np.float64]
ROUND_OFF = 1e-12  # relative, for symmetry and signs of D
LARGEST = 1e100  # of coefficients and their derivatives
BLOCK = 30_000  # points times rows of data evaluated at once
FINITE = "write a formula that is finite in the whole domain, or change the domain"
LARGE = "write it in other units: its square is no number"


@dataclass(frozen=True)
class Draft:
    """The parts of a case that were read without mistakes; the others are None or absent."""

    domain: Domain
    loss: Loss | None
    data: Data | None
    drift: tuple[Expression, ...] | None
    noise: Noise | None
    boundary: Boundary | None
    regions: Mapping[str, Region]
    initial: Initial | None
    exits: Sequence[tuple[Path, Exit]]
    committors: Sequence[tuple[Path, Committor]]
    probes: Sequence[tuple[Path, Point]]


def check_sampled(draft: Draft, ledger: Ledger) -> None:
    """Notes everything that a few thousand points of the domain show."""
    _Sampled(draft, ledger).all()


def _smallest_eigenvalue(matrix: Matrix, coordinates: Sequence[str], points: Array) -> Array:
    tensors = matrix_field(matrix, coordinates, points)
    finite = np.isfinite(tensors).all(axis=(1, 2), keepdims=True)
    return np.asarray(np.linalg.eigvalsh(np.where(finite, tensors, 0.0))[:, 0])


class _Sampled:
    def __init__(self, draft: Draft, ledger: Ledger) -> None:
        self.draft = draft
        self.ledger = ledger
        self.domain = draft.domain
        self.names = draft.domain.coordinates
        self.random = random_points(draft.domain)
        self.points = np.concatenate([lattice_points(draft.domain), self.random])

    def all(self) -> None:
        draft = self.draft
        if draft.loss is not None:
            self.loss(draft.loss)
        for index, extra in enumerate(draft.drift or ()):
            self.finite(("drift", "extra", index), extra, most=LARGEST)
        if draft.noise is not None:
            self.noise(draft.noise)
        empty = {name for name, region in draft.regions.items() if not self.region(region)}
        if draft.boundary is not None:
            check_boundary(draft.boundary, self.domain, self.ledger)
        if draft.initial is not None:
            self.initial(("evolution", "initial"), draft.initial, empty)
        for path, case_exit in draft.exits:
            self.starts(path, case_exit, empty)
            if case_exit.initial is not None:
                self.initial((*path, "initial"), case_exit.initial, empty)
        for path, committor in draft.committors:
            self.disjoint(path, committor, empty)
        for path, point in draft.probes:
            self.placed(path, point, "the probe")

    # -- values ------------------------------------------------------------------------------------------------

    def finite(self, path: Path, expression: Expression, smooth: bool = False, most: float = 1e150) -> bool:
        """Notes where an expression, or with ``smooth`` its gradient, is not finite, or larger than ``most``.

        Derivatives are tried at random points only: a cone such as sqrt(x**2) has none at its tip, and needs none.
        """
        most = LARGEST if smooth else most
        found = value(expression, self.names, self.points)
        if not self._finite(path, "the value", found, self.points, most):
            return False
        if smooth:
            slopes = at_points([expression.derivative(name) for name in self.names], self.names, self.random)
            for name, slope in zip(self.names, slopes, strict=True):
                if not self._finite(path, f"the derivative with respect to {name}", slope, self.random, most):
                    return False
        return True

    def _finite(self, path: Path, what: str, found: Array, points: Array, most: float = math.inf) -> bool:
        for bad, advice in ((~np.isfinite(found), FINITE), (np.abs(found) > most, LARGE)):
            if bad.any():
                worst = int(bad.argmax())
                self.ledger.add(path, f"{what} is {found[worst]:g} at {named(self.names, points[worst])}", advice)
                return False
        return True

    def loss(self, loss: Loss) -> None:
        if loss.table is not None and not self.covered(loss.table):
            return
        if loss.kind in ("expression", "table"):
            self.finite(("loss", loss.kind), loss.expression, smooth=True)
            return
        data = self.draft.data
        if data is None or loss.kind != "per_sample":
            return
        some = max(1, MAX_EVALUATIONS // 16)
        rows = np.linspace(0, data.samples - 1, min(data.samples, some)).astype(int)
        columns = {name: column[rows] for name, column in data.columns.items()}
        expressions = [loss.expression, *(loss.expression.derivative(name) for name in self.names)]
        whats = ["the value", *(f"the derivative with respect to {name}" for name in self.names)]
        program = Program(expressions)
        points = affordable(self.points, data)
        block = max(1, BLOCK // len(rows))
        for start in range(0, len(points), block):
            part = points[start : start + block]
            place = {name: part[:, index, None] for index, name in enumerate(self.names)}
            for what, found in zip(whats, program({**columns, **place}), strict=True):
                bad = np.argwhere(~np.isfinite(found))
                if len(bad):
                    point, row = bad[0]
                    where = f"{named(self.names, part[point])}, row {rows[row] + 1} of the data"
                    self.ledger.add(("loss", loss.key), f"{what} is {found[point, row]:g} at {where}", FINITE)
                    return

    def covered(self, table: Table) -> bool:
        """Notes where the domain reaches beyond the grid of a table."""
        ends = list(zip(self.names, self.domain.lower, self.domain.upper, table.lower, table.upper, strict=False))
        for name, low, high, first, last in ends:  # a table may be one of positions, which come first
            room = ROUND_OFF * (last - first)
            if low < first - room or high > last + room:
                wrong = f"{table.file.name} covers {first:g} <= {name} <= {last:g}, and the domain {low:g} to {high:g}"
                self.ledger.add(("loss", "table"), wrong, "write a smaller domain, or save a table that covers it")
                return False
        return True

    # -- noise -------------------------------------------------------------------------------------------------

    def noise(self, noise: Noise) -> None:
        if noise.potential is not None:
            self.finite(("noise", "potential"), noise.potential, smooth=True)
        key = "diffusion" if noise.kind == "diffusion" else "covariance"
        matrix = noise.diffusion if noise.kind == "diffusion" else noise.covariance
        if isinstance(matrix, tuple):
            self.tensor(("noise", key), noise.shape, matrix)

    def tensor(self, path: Path, shape: str, matrix: Matrix) -> None:
        d = len(matrix)
        for i in range(1 if shape == "scalar" else d):
            for j in range(d) if shape == "matrix" else [i]:
                place = {"scalar": path, "diagonal": (*path, i), "matrix": (*path, i, j)}[shape]
                if not self.finite(place, matrix[i][j], smooth=True):
                    return
        found = matrix_field(matrix, self.names, self.points)
        sizes = np.abs(found).max(axis=(1, 2))
        uneven = np.abs(found - found.transpose(0, 2, 1)).max(axis=(1, 2)) - ROUND_OFF * sizes
        worst = int(uneven.argmax())
        if uneven[worst] > 0:
            i, j = divmod(int(np.abs(found[worst] - found[worst].T).argmax()), d)
            pair = (
                f"entry {i + 1},{j + 1} is {found[worst, i, j]:g} and entry {j + 1},{i + 1} is {found[worst, j, i]:g}"
            )
            wrong = f"the matrix is not symmetric: {pair} at {named(self.names, self.points[worst])}"
            self.ledger.add(path, wrong, "write the same expression in both places")
            return

        counts = sizes > ROUND_OFF * sizes.max()  # the rest is round-off around D = 0
        relative = np.zeros_like(found)
        relative[counts] = found[counts] / sizes[counts, None, None]
        smallest = np.linalg.eigvalsh(relative)[:, 0]
        worst = int(smallest.argmin())
        least, where = float(smallest[worst] * sizes[worst]), self.points[worst]
        if smallest[worst] >= -ROUND_OFF:  # nothing at the points; small sets between them are looked for
            least, where = lowest(
                lambda points: _smallest_eigenvalue(matrix, self.names, points), self.domain, self.points
            )
            if least >= -ROUND_OFF * float(sizes.max()):
                return
        name = "the value" if d == 1 or shape == "scalar" else "an eigenvalue"
        wrong = f"{name} is negative, {least:.4g} at {named(self.names, where)}"
        self.ledger.add(path, wrong, "write a tensor without negative eigenvalues (0 is allowed)")

    # -- sets --------------------------------------------------------------------------------------------------

    def region(self, region: Region) -> bool:
        """True where the region has points in the domain."""
        path = ("regions", region.name)
        if not self.finite(path, region.level):
            return True
        least, where = lowest(lambda points: value(region.level, self.names, points), self.domain, self.points)
        if least < 0:
            return True
        wrong = f"no point of the domain is inside (closest: {named(self.names, where)})"
        self.ledger.add(path, wrong, "write a condition that holds somewhere in the domain")
        return False

    def disjoint(self, path: Path, committor: Committor, empty: set[str]) -> None:
        names = (committor.source, committor.target)
        if empty & set(names) or not all(name in self.draft.regions for name in names):
            return
        levels = [self.draft.regions[name].level for name in names]
        found = at_points(levels, self.names, self.points).max(axis=0)
        common = np.flatnonzero(found < 0)
        if len(common):
            wrong = f"source and target overlap, at {named(self.names, self.points[common[0]])}"
            self.ledger.add((*path, "target"), wrong, "write regions that are apart")

    # -- points ------------------------------------------------------------------------------------------------

    def placed(self, path: Path, point: Point, what: str) -> bool:
        """Notes a point outside the domain."""
        if self.domain.contains(point):
            return True
        if isinstance(self.domain, Ball):
            hole = f", and not within {self.domain.hole:g}" if self.domain.hole else ""
            advice = f"write a point within {self.domain.radius:g} of the centre{hole}"
        else:
            corners = zip(self.names, self.domain.lower, self.domain.upper, strict=True)
            advice = "write a point with " + ", ".join(f"{low:g} <= {name} <= {high:g}" for name, low, high in corners)
        self.ledger.add(path, f"{what} ({named(self.names, point)}) is outside the domain", advice)
        return False

    def starts(self, path: Path, case_exit: Exit, empty: set[str]) -> None:
        region = self.draft.regions.get(case_exit.region)
        for index, point in enumerate(case_exit.start):
            place = (*path, "start", index)
            if not self.placed(place, point, "the start") or region is None or region.name in empty:
                continue
            level = float(value(region.level, self.names, np.array([point]))[0])
            if not level < 0:
                wrong = f"the start ({named(self.names, point)}) is not inside the region {region.name}"
                self.ledger.add(place, wrong, f'write a point where "{region.source}" holds')

    def initial(self, path: Path, initial: Initial, empty: set[str]) -> None:
        if initial.mean is not None:
            self.placed((*path, "gaussian", "mean"), initial.mean, "the mean")
        elif initial.point is not None:
            self.placed((*path, "point"), initial.point, "the point")
        elif initial.region in empty:
            wrong = f"the region {initial.region} is empty: the density has no mass"
            self.ledger.add((*path, "uniform"), wrong, "write a region with points in the domain")
        elif initial.expression is not None:
            self.density((*path, "expression"), initial.expression)

    def density(self, path: Path, expression: Expression) -> None:
        if not self.finite(path, expression, most=LARGEST):
            return
        found = value(expression, self.names, self.points)
        largest = float(found.max())

        def density(points: Array) -> Array:
            return value(expression, self.names, points)

        least, where = lowest(density, self.domain, self.points)
        if least < -ROUND_OFF * max(largest, 0.0):
            wrong = f"the density is negative, {least:.4g} at {named(self.names, where)}"
            self.ledger.add(path, wrong, "write a density >= 0, for example max(..., 0)")
        elif not largest > 0 and not (density(lattice_points(self.domain, dense(self.domain, expression))) > 0).any():
            self.ledger.add(
                path, "the density has no mass: it is 0 everywhere", "write a density that is > 0 somewhere"
            )
