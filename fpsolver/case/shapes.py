"""Shapes of the domain: a box is what can be solved on; a ball and a mesh file are read and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Point = tuple[float, ...]


@dataclass(frozen=True)
class Box:
    """An interval, rectangle or cuboid, cut into equal cells.

    Attributes:
        lower, upper: Corners, one number per coordinate.
        cells: Number of cells along each coordinate.
        coordinates: Names of the coordinates.
        diagonal: Which diagonal splits the rectangles of a 2-D box into triangles.
    """

    lower: Point
    upper: Point
    cells: tuple[int, ...]
    coordinates: tuple[str, ...]
    diagonal: Literal["right", "left", "crossed"] = "right"

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def cell_sizes(self) -> Point:
        """Edge length of a cell along each coordinate."""
        return tuple((u - lo) / n for lo, u, n in zip(self.lower, self.upper, self.cells, strict=True))

    def contains(self, point: Point) -> bool:
        """True inside and on the boundary, with allowance for round-off."""
        return all(
            lo - 1e-12 * (u - lo) <= p <= u + 1e-12 * (u - lo)
            for lo, u, p in zip(self.lower, self.upper, point, strict=True)
        )


@dataclass(frozen=True)
class Ball:
    """An interval, disc or ball with its bounding box."""

    center: Point
    radius: float
    cell_size: float
    coordinates: tuple[str, ...]

    @property
    def dimension(self) -> int:
        return len(self.center)

    @property
    def lower(self) -> Point:
        return tuple(c - self.radius for c in self.center)

    @property
    def upper(self) -> Point:
        return tuple(c + self.radius for c in self.center)

    def contains(self, point: Point) -> bool:
        return math.dist(point, self.center) <= self.radius * (1 + 1e-12)


@dataclass(frozen=True)
class MeshFile:
    """A mesh read from a file; its dimension is known only where the coordinates are named."""

    file: Path
    coordinates: tuple[str, ...]


Domain = Box | Ball | MeshFile
