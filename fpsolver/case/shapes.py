"""Shapes of the domain: boxes, balls and shells cut into cells by the program, and meshes from files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.mesh_data import MeshData
from fpsolver.wrapping import wrapped

Point = tuple[float, ...]
Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUND_OFF = 1e-12
"""Points so far outside, as a fraction of the size of the domain, are on its boundary."""

AROUND = 5
"""Fewest cells around a circle: no edge may reach as far as half of it, and vertices move by half a cell."""


@dataclass(frozen=True)
class Box:
    """An interval, rectangle or cuboid, cut into equal cells.

    Attributes:
        lower, upper: Corners, one number per coordinate.
        cells: Number of cells along each coordinate.
        coordinates: Names of the coordinates.
        diagonal: Which diagonal splits the rectangles of a 2-D box into triangles.
        chosen: Why there are so many cells, where the case does not say how many; else None.
        periodic: Names of the coordinates whose ends are one place.
        grade: Towards exits, and where the potential is steep, cells get so many times finer than they have to.
    """

    lower: Point
    upper: Point
    cells: tuple[int, ...]
    coordinates: tuple[str, ...]
    diagonal: Literal["right", "left", "crossed"] = "right"
    chosen: str | None = field(default=None, compare=False)
    periodic: tuple[str, ...] = ()
    grade: float = 1.0

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def cell_sizes(self) -> Point:
        """Edge length of a cell along each coordinate."""
        return tuple((u - lo) / n for lo, u, n in zip(self.lower, self.upper, self.cells, strict=True))

    @property
    def periods(self) -> Point:
        """Length of each circle; infinite for coordinates that are none."""
        sides = zip(self.coordinates, self.lower, self.upper, strict=True)
        return tuple(high - low if name in self.periodic else math.inf for name, low, high in sides)

    @property
    def fewest(self) -> tuple[int, ...]:
        """The fewest cells that there can be along each coordinate."""
        return tuple(AROUND if name in self.periodic else 1 for name in self.coordinates)

    @property
    def words(self) -> str:
        """The cells in a few words."""
        return f"{' x '.join(str(count) for count in self.cells)} cells"

    def inside(self, points: Array) -> Bools:
        """Which points (n, d) are inside or on the boundary, with allowance for round-off."""
        lower, upper = np.array(self.lower), np.array(self.upper)
        near = ROUND_OFF * (upper - lower)
        points = wrapped(points, self.lower, self.periods)
        return np.asarray(((points >= lower - near) & (points <= upper + near)).all(axis=1))

    def contains(self, point: Point) -> bool:
        """True inside and on the boundary, with allowance for round-off."""
        return bool(self.inside(np.array([point]))[0])

    def nodes(self, degree: int) -> int:
        """Nodes of elements of a degree.

        Splitting rectangles in two, or cuboids in six, puts them on a lattice of ``degree * cells`` steps; crossed
        diagonals add one vertex, four edges and four triangles to each rectangle.
        """
        ends = [int(name not in self.periodic) for name in self.coordinates]  # the last one is not the first one again
        if self.diagonal != "crossed" or self.dimension != 2:
            return math.prod(degree * count + end for count, end in zip(self.cells, ends, strict=True))
        (nx, ny), (x, y) = self.cells, ends
        vertices = (nx + x) * (ny + y) + nx * ny
        edges = nx * (ny + y) + ny * (nx + x) + 4 * nx * ny
        return vertices + edges * (degree - 1) + 4 * nx * ny * (degree - 1) * (degree - 2) // 2

    def coarser(self, factor: int) -> Box | None:
        """The same with cells so many times as large; None where there are as few as can be."""
        pairs = list(zip(self.cells, self.fewest, strict=True))
        if all(count <= least for count, least in pairs):
            return None
        return replace(self, cells=tuple(max(least, -(-count // factor)) for count, least in pairs))

    def finer(self, factor: float) -> tuple[str, Box]:
        """What to write for cells smaller by a factor, and the box with them."""
        cells = tuple(min(100_000, math.ceil(count * factor)) for count in self.cells)
        return f"domain.cells = {list(cells)} (now {list(self.cells)})", replace(self, cells=cells)


@dataclass(frozen=True)
class Ball:
    """A disc or ball, or with a hole an annulus or spherical shell, and its bounding box.

    Attributes:
        center: Its centre.
        radius: Of the outer boundary.
        cell_size: Longest edge of the cells of the lattice that is fitted to the boundary.
        coordinates: Names of the coordinates.
        hole: Radius of the inner boundary; 0: there is none.
        chosen: Why the cells have their size, where the case does not say which; else None.
        grade: As that of `Box`.
    """

    center: Point
    radius: float
    cell_size: float
    coordinates: tuple[str, ...]
    hole: float = 0.0
    chosen: str | None = field(default=None, compare=False)
    grade: float = 1.0

    @property
    def dimension(self) -> int:
        return len(self.center)

    @property
    def lower(self) -> Point:
        return tuple(c - self.radius for c in self.center)

    @property
    def upper(self) -> Point:
        return tuple(c + self.radius for c in self.center)

    @property
    def periods(self) -> Point:
        """Infinite: no coordinate is a circle."""
        return (math.inf,) * self.dimension

    @property
    def cell_sizes(self) -> Point:
        """Edge length of a cell along each coordinate."""
        return (self.cell_size,) * self.dimension

    @property
    def words(self) -> str:
        """The cells in a few words."""
        return f"cells of size {self.cell_size:.3g}"

    @property
    def volume(self) -> float:
        """Its length, area or volume."""
        unit = {1: 2.0, 2: math.pi, 3: 4.0 * math.pi / 3.0}[self.dimension]
        return float(unit * (self.radius**self.dimension - self.hole**self.dimension))

    def inside(self, points: Array) -> Bools:
        """Which points (n, d) are inside or on the boundary, with allowance for round-off."""
        distance = np.linalg.norm(points - np.array(self.center), axis=1)
        near = ROUND_OFF * self.radius
        return np.asarray((distance <= self.radius + near) & (distance >= self.hole - near))

    def contains(self, point: Point) -> bool:
        """True inside and on the boundary, with allowance for round-off."""
        return bool(self.inside(np.array([point]))[0])

    def nodes(self, degree: int) -> int:
        """About how many nodes elements of a degree will have."""
        return math.ceil(self.volume * (degree / self.cell_size) ** self.dimension) + 1

    def coarser(self, factor: int) -> Ball | None:
        """The same with cells so many times as large; None where they would be as large as the whole."""
        largest = (self.radius - self.hole) / 2.0
        if self.cell_size >= largest:
            return None
        return replace(self, cell_size=min(factor * self.cell_size, largest))

    def finer(self, factor: float) -> tuple[str, Ball]:
        """What to write for cells smaller by a factor, and the ball with them."""
        size = self.cell_size / factor
        return f"domain.cell_size = {size:.3g} (now {self.cell_size:.3g})", replace(self, cell_size=size)


@dataclass(frozen=True)
class MeshFile:
    """A mesh read from a file.

    Attributes:
        file: Where it was read.
        coordinates: Names of the coordinates.
        data: Its vertices and cells.
        halvings: So many times all its cells are bisected along all of their edges.
        grade: As that of `Box`.
    """

    file: Path
    coordinates: tuple[str, ...]
    data: MeshData = field(repr=False, compare=False)
    halvings: int = 0
    grade: float = 1.0

    @property
    def dimension(self) -> int:
        return self.data.dimension

    @property
    def lower(self) -> Point:
        return tuple(float(x) for x in self.data.corners.min(axis=0))

    @property
    def upper(self) -> Point:
        return tuple(float(x) for x in self.data.corners.max(axis=0))

    @property
    def periods(self) -> Point:
        """Infinite: no coordinate is a circle."""
        return (math.inf,) * self.dimension

    @property
    def cell_sizes(self) -> Point:
        """Mean edge length of the cells, for each coordinate."""
        return (self.data.mean_edge / 2**self.halvings,) * self.dimension

    @property
    def words(self) -> str:
        """The cells in a few words."""
        halved = f", halved {self.halvings} times" if self.halvings else ""
        return f"{len(self.data.cells)} cells of {self.file.name}{halved}"

    @property
    def volume(self) -> float:
        """Its length, area or volume."""
        return float(self.data.volumes.sum())

    def inside(self, points: Array) -> Bools:
        """Which points (n, d) lie in a cell, with allowance for round-off; edges are taken as straight."""
        return self.data.holds(points)

    def contains(self, point: Point) -> bool:
        """True inside and on the boundary, with allowance for round-off."""
        return bool(self.inside(np.array([point]))[0])

    def nodes(self, degree: int) -> int:
        """About how many nodes elements of a degree will have."""
        d = self.dimension
        return math.ceil(len(self.data.cells) * (degree * 2.0**self.halvings) ** d / math.factorial(d)) + 1

    def coarser(self, factor: int) -> MeshFile | None:
        """The same with cells twice as large, where they have been halved; None elsewhere."""
        del factor
        return replace(self, halvings=self.halvings - 1) if self.halvings else None

    def finer(self, factor: float) -> tuple[str, MeshFile]:
        """What to write for cells smaller by a factor, and the mesh with them."""
        more = max(1, math.ceil(math.log2(max(factor, 1.0))))
        text = f"domain.halvings = {self.halvings + more} (now {self.halvings})"
        return text, replace(self, halvings=self.halvings + more)


Domain = Box | Ball | MeshFile
