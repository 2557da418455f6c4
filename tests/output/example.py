"""Results folders made by hand: a mixture of Gaussians moving through a double well, in 1, 2 and 3 dimensions."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.domain.lattice import Lattice
from fpsolver.output.curves import CurveWriter, evolution_columns
from fpsolver.output.frames import FORMATS
from fpsolver.output.results import write_results
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

LOWER, UPPER = np.array([-2.0, -1.5, -1.0]), np.array([2.0, 1.5, 1.0])
CELLS = {1: (120,), 2: (60, 45), 3: (24, 20, 16)}
COORDINATES = {1: ("w",), 2: ("slope", "intercept"), 3: ("u", "v", "w")}
TIMES = (0.0, *np.geomspace(0.1, 100.0, 12).tolist())


def box(dimension: int, rank: int = 0, size: int = 1) -> Lattice:
    """This rank's share of a box cut into simplices: every size-th cube of cells."""
    counts = CELLS[dimension]
    axes = [np.linspace(LOWER[i], UPPER[i], n + 1) for i, n in enumerate(counts)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimension)
    points = np.pad(points, ((0, 0), (0, 3 - dimension)))
    ids = np.arange(len(points)).reshape([n + 1 for n in counts])
    cells = []
    for order in permutations(range(dimension)):  # a path of edges from one corner of a cube to the opposite one
        corner = np.zeros(dimension, dtype=int)
        path = [corner.copy()]
        for i in order:
            corner[i] += 1
            path.append(corner.copy())
        cells.append([ids[tuple(slice(s, s + n) for s, n in zip(c, counts, strict=True))].ravel() for c in path])
    simplices = np.concatenate([np.stack(corners, axis=1) for corners in cells])
    mine = simplices[np.arange(len(simplices)) * size // len(simplices) == rank]
    used, index = np.unique(mine, return_inverse=True)
    return Lattice(points[used], index.reshape(mine.shape).astype(np.int64), dimension)


def loss(points: Array) -> Array:
    """A double well along the first coordinate, parabolas along the others; (n,)."""
    return (points[:, 0] ** 2 - 1) ** 2 / 4 + 2 * points[:, 1] ** 2 + points[:, 2] ** 2


def moments(time: float, dimension: int) -> tuple[float, float, Array]:
    """Weight of the right well, standard deviation across, and centres of the two bumps, (2, 3)."""
    right = 0.5 * (1 - np.exp(-time / 20))
    centres = np.zeros((2, 3))
    centres[0, :2] = -1.0, 0.8 * np.exp(-time)
    centres[1, 0] = 1.0
    if dimension == 1:
        centres[:, 1] = 0.0
    return right, 0.1 + 0.12 * (1 - np.exp(-time)), centres


def density(points: Array, time: float, dimension: int) -> Array:
    """The mixture at a time, (n,)."""
    right, std, centres = moments(time, dimension)
    parts = [np.exp(-((points - c)[:, :dimension] ** 2).sum(axis=1) / (2 * std**2)) for c in centres]
    return ((1 - right) * parts[0] + right * parts[1]) / (2 * np.pi * std**2) ** (dimension / 2)


def write_run(folder: Path, dimension: int, form: str = "vtkhdf") -> Path:
    """A finished results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = COORDINATES[dimension]
    quoted = ", ".join(f'"{name}"' for name in names)
    (folder / "case.toml").write_text(
        f'title = "SGD between two minima, {dimension}-D"\n[domain]\nshape = "box"\n'
        f"lower = {LOWER[:dimension].tolist()}\nupper = {UPPER[:dimension].tolist()}\ncoordinates = [{quoted}]\n"
    )
    lattice = box(dimension)
    chosen = FORMATS[form]
    series = chosen.series(MPI.COMM_SELF, folder / f"density{chosen.suffix}", lattice)
    columns = evolution_columns(names, ["left", "right"], ["kl"])
    curves = CurveWriter(folder / "curves.csv", columns)
    for step, time in enumerate(TIMES):
        series.write(time, {"density": density(lattice.points, time, dimension)})
        right, std, centres = moments(time, dimension)
        mean = (1 - right) * centres[0] + right * centres[1]
        offsets = centres - mean
        covariance = std**2 * np.eye(3) + (1 - right) * np.outer(offsets[0], offsets[0])
        covariance += right * np.outer(offsets[1], offsets[1])
        upper = [covariance[i, j] for i in range(dimension) for j in range(i, dimension)]
        curves.write([time, step, 1.0, 0.0, np.exp(-time / 20), *mean[:dimension], *upper, 1 - right, right])
    series.close()
    curves.close()
    chosen.fields(
        MPI.COMM_SELF,
        folder / f"fields{chosen.suffix}",
        lattice,
        {"loss": loss(lattice.points), "diffusion_trace": np.full(len(lattice.points), 0.1 * dimension)},
    )
    masses = {"left": Quantity(0.5, 1e-4), "right": Quantity(0.5, 1e-4)}
    write_results(folder, {"schema": 1, "title": "SGD", "status": "completed", "stationary": {"regions": masses}})
    return folder
