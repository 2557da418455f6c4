"""The pieces of a mesh as they are written to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fpsolver.domain.lattice import Lattice

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

VTK_LINE, VTK_TRIANGLE, VTK_TETRA = 3, 5, 10
CELL_TYPES = {1: VTK_LINE, 2: VTK_TRIANGLE, 3: VTK_TETRA}
VECTOR = 3  # components of a vector in a file


@dataclass(frozen=True, eq=False)
class Piece:
    """One rank's part of a linear mesh; a Lattice without the machinery that made it. Equal only to itself.

    Attributes:
        points: (n, 3).
        cells: (m, dimension + 1), indices into ``points``.
    """

    points: Array
    cells: Indices

    @property
    def dimension(self) -> int:
        """1, 2 or 3: lines, triangles or tetrahedra."""
        return int(self.cells.shape[1]) - 1

    @classmethod
    def of(cls, lattice: Lattice) -> Piece:
        """The piece of this rank, as contiguous arrays of the types that are written."""
        points = np.ascontiguousarray(lattice.points, dtype=np.float64).reshape(-1, 3)
        cells = np.ascontiguousarray(lattice.cells, dtype=np.int64).reshape(-1, lattice.dimension + 1)
        return cls(points, cells)


def join(pieces: Sequence[Piece]) -> Piece:
    """One mesh of all pieces; points on seams between pieces stay double."""
    starts = np.cumsum([0, *(len(piece.points) for piece in pieces)])
    return Piece(
        np.concatenate([piece.points for piece in pieces]),
        np.concatenate([piece.cells + start for piece, start in zip(pieces, starts, strict=False)]),
    )


def joined_fields(
    sizes: Sequence[int], parts: Sequence[Mapping[str, Array]], names: Sequence[str] | None
) -> dict[str, Array]:
    """Values of all pieces, one after the other, checked.

    Args:
        sizes: Points of each piece.
        parts: Fields of each piece.
        names: The fields of earlier frames, or None for the first frame.

    Returns:
        Name -> (points,) for scalars, (points, 3) for vectors, whose missing components are 0.

    Raises:
        ValueError: A field is missing on a piece or in this frame, has another length than its points, or is a vector
            on one piece and a scalar on another.
    """
    wanted = tuple(names if names is not None else parts[0])
    for rank, (size, part) in enumerate(zip(sizes, parts, strict=True)):
        if set(part) != set(wanted):
            raise ValueError(f"rank {rank}: fields {sorted(part)}, expected {sorted(wanted)}; write the same each time")
        for name, values in part.items():
            shape = np.shape(values)
            if shape[:1] != (size,) or len(shape) > 2 or (len(shape) == 2 and not 1 <= shape[1] <= VECTOR):
                raise ValueError(
                    f"rank {rank}: field {name} has shape {shape}, its points need ({size},) or ({size}, d)"
                )
            if len(shape) != np.ndim(parts[0][name]):
                raise ValueError(f"rank {rank}: field {name} has shape {shape}, on rank 0 {np.shape(parts[0][name])}")
    return {name: np.concatenate([_padded(part[name]) for part in parts]) for name in wanted}


def _padded(values: Array) -> Array:
    """Scalars as they are; vectors with three components, as viewers want them in every dimension."""
    plain = np.asarray(values, dtype=np.float64)
    return plain if plain.ndim == 1 else np.pad(plain, ((0, 0), (0, VECTOR - plain.shape[1])))
