"""A loss, and the covariance of its gradients, as values on a grid: read from a file of arrays and checked.

The file is ``.npz`` or HDF5 and holds

    axis_0, axis_1, …     ascending coordinates of the grid, one array per coordinate
    loss                  (n_0, n_1, …)
    covariance            optional: (n_0, n_1, …, d, d), or the upper triangle row by row, (n_0, n_1, …, d (d + 1)/2)
    factor                optional, instead: F with Σ = F Fᵀ, (n_0, n_1, …, d, m)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.arrays import read_arrays
from fpsolver.case.expressions import Expression, applied, field_expression
from fpsolver.case.ledger import Ledger
from fpsolver.case.spline import FEWEST, GridField, spline
from fpsolver.case.suggest import listed
from fpsolver.case.wording import named

Array = NDArray[np.float64]

HERE = ("loss", "table")
MOST_FACTORS = 10  # columns of a factor
SYMMETRIC = 1e-9  # relative
TOO_MUCH = 0.1  # share of the trace; more than that is no rounding of a covariance


@dataclass(frozen=True)
class Table:
    """A table without mistakes, as functions between the points of its grid.

    Attributes:
        file: Absolute path.
        lower, upper: Ends of the axes.
        loss: Its spline, over the coordinates.
        covariance: F Fᵀ, or S S with the symmetric root S of the covariance, d x d; None where the table has none.
        moved: Share of the trace that negative eigenvalues of the covariance made, which were set to 0.
    """

    file: Path
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    loss: Expression
    covariance: tuple[tuple[Expression, ...], ...] | None
    moved: float


def read_table(file: Path, coordinates: tuple[str, ...], ledger: Ledger) -> Table | None:
    """The table in a file; None where something is wrong.

    Args:
        file: Absolute path of a ``.npz`` or HDF5 file.
        coordinates: Names of the d coordinates, in the order of the axes.
        ledger: Receives what is wrong.
    """
    d = len(coordinates)
    wanted = [*(f"axis_{i}" for i in range(d)), "loss", "covariance", "factor", f"axis_{d}"]
    arrays = read_arrays(file, wanted, HERE, ledger)
    if arrays is None:
        return None
    if f"axis_{d}" in arrays:
        wrong = f"{file.name} has more axes than the domain has coordinates ({listed(coordinates)})"
        ledger.add(HERE, wrong, "write a table with one axis per coordinate")
    missing = [name for name in wanted[: d + 1] if name not in arrays]
    if missing:
        ledger.add(HERE, f"{file.name} has no array {listed(missing)}", f"save arrays {listed(wanted[: d + 1])}")
    if not ledger.clean(*HERE):
        return None
    checked = _Checked(file.name, coordinates, arrays, ledger)
    if not checked.all():
        return None
    axes = [arrays[f"axis_{i}"] for i in range(d)]
    fields = spline(axes, arrays["loss"][..., None])
    factor, moved = checked.factor()
    covariance = None
    if factor is not None:
        count = factor.shape[-1]
        parts = spline(axes, factor.reshape(*factor.shape[:d], d * count))
        covariance = _products(parts, d, count, coordinates)
    loss = field_expression(fields[0], coordinates, f"the loss of {file.name}")
    ends = [(float(axis[0]), float(axis[-1])) for axis in axes]
    return Table(file, tuple(low for low, _ in ends), tuple(high for _, high in ends), loss, covariance, moved)


def _products(
    parts: tuple[GridField, ...], d: int, count: int, names: tuple[str, ...]
) -> tuple[tuple[Expression, ...], ...]:
    """F Fᵀ of the splines of F, (d, count): no point can make it indefinite, and the product rule differentiates it."""
    rows = [
        [field_expression(parts[i * count + k], names, f"entry {i + 1},{k + 1} of a factor") for k in range(count)]
        for i in range(d)
    ]
    upper = {(i, j): _dot(rows[i], rows[j]) for i in range(d) for j in range(i, d)}
    return tuple(tuple(upper[min(i, j), max(i, j)] for j in range(d)) for i in range(d))


def _dot(first: list[Expression], last: list[Expression]) -> Expression:
    total, *others = (applied("mul", a, b) for a, b in zip(first, last, strict=True))
    for product in others:
        total = applied("add", total, product)
    return total


class _Checked:
    """The arrays of a table, looked at one by one; every method notes what is wrong."""

    def __init__(self, file: str, coordinates: tuple[str, ...], arrays: Mapping[str, Array], ledger: Ledger) -> None:
        self.file = file
        self.coordinates = coordinates
        self.arrays = arrays
        self.ledger = ledger
        self.dimension = len(coordinates)

    def all(self) -> bool:
        """Whether axes, loss and covariance are what they have to be."""
        for i in range(self.dimension):
            self._axis(f"axis_{i}")
        if not self.ledger.clean(*HERE):
            return False
        grid = tuple(len(self.arrays[f"axis_{i}"]) for i in range(self.dimension))
        self._shaped("loss", grid, ((),))
        d = self.dimension
        self._shaped("covariance", grid, ((d, d), (d * (d + 1) // 2,), *(((),) if d == 1 else ())))
        self._shaped("factor", grid, tuple((d, m) for m in range(1, MOST_FACTORS + 1)))
        if "covariance" in self.arrays and "factor" in self.arrays:
            self._wrong("both covariance and factor are there", "save one of them: Σ is factor times its transpose")
        for name in ("loss", "covariance", "factor"):
            if name in self.arrays and self.ledger.clean(*HERE):
                self._finite(name)
        if "covariance" in self.arrays and self.ledger.clean(*HERE):
            self._positive()
        return self.ledger.clean(*HERE)

    def factor(self) -> tuple[Array | None, float]:
        """F with Σ = F Fᵀ at the points of the grid, and the share of the trace that was moved to have one."""
        if "factor" in self.arrays:
            return self.arrays["factor"], 0.0
        if "covariance" not in self.arrays:
            return None, 0.0
        values, vectors = np.linalg.eigh(self._matrices())
        root = np.sqrt(np.maximum(values, 0.0))
        return np.einsum("...ik,...k,...jk->...ij", vectors, root, vectors), _negative_share(values)

    def _matrices(self) -> Array:
        """The covariances (n_0, …, d, d), symmetric to the last bit."""
        found, d = self.arrays["covariance"], self.dimension
        if found.shape[self.dimension :] == (d, d):
            return np.asarray((found + found.swapaxes(-1, -2)) / 2.0)
        matrices = np.empty((*found.shape[:d], d, d))
        pairs = [(i, j) for i in range(d) for j in range(i, d)]
        for place, (i, j) in enumerate(pairs):
            entry = found if found.ndim == d else found[..., place]
            matrices[..., i, j] = matrices[..., j, i] = entry
        return matrices

    def _axis(self, name: str) -> None:
        axis = self.arrays[name]
        if axis.ndim != 1:
            self._wrong(f"{name} has the shape {axis.shape}", "save a one-dimensional array of coordinates")
        elif len(axis) < FEWEST:
            self._wrong(f"{name} has {len(axis)} points", f"save a grid of at least {FEWEST} points along each axis")
        elif not np.isfinite(axis).all() or not (np.diff(axis) > 0.0).all():
            self._wrong(f"{name} does not ascend", "save finite coordinates, each larger than the one before")

    def _shaped(self, name: str, grid: tuple[int, ...], more: tuple[tuple[int, ...], ...]) -> None:
        if name in self.arrays and self.arrays[name].shape not in [grid + tail for tail in more]:
            wanted = " or ".join(str(grid + tail) for tail in more[:2])
            many = ", …" if len(more) > 2 and more[-1] else ""
            self._wrong(f"{name} has the shape {self.arrays[name].shape}", f"the axes ask for {wanted}{many}")

    def _finite(self, name: str) -> None:
        bad = np.argwhere(~np.isfinite(self.arrays[name]))
        if len(bad):
            value = self.arrays[name][tuple(bad[0])]
            wrong = f"{name} is {value:g} at {self._place(bad[0].tolist())}"
            self._wrong(wrong, "save finite numbers, or a smaller grid")

    def _positive(self) -> None:
        """A covariance is symmetric, and its negative eigenvalues are round-off or noise."""
        found, d = self.arrays["covariance"], self.dimension
        if found.shape[d:] == (d, d):
            uneven = np.abs(found - found.swapaxes(-1, -2)).max(axis=(-1, -2))
            worst = np.unravel_index(int(uneven.argmax()), uneven.shape)
            if uneven[worst] > SYMMETRIC * float(np.abs(found).max()):
                self._wrong(f"covariance is not symmetric at {self._place(worst)}", "save symmetric matrices")
                return
        values = np.linalg.eigvalsh(self._matrices())
        if _negative_share(values) > TOO_MUCH:
            worst = np.unravel_index(int(values[..., 0].argmin()), values.shape[:-1])
            wrong = f"covariance has an eigenvalue {values[worst][0]:.4g} at {self._place(worst)}"
            self._wrong(wrong, "save matrices without negative eigenvalues (0 is allowed)")

    def _place(self, index: Sequence[SupportsIndex]) -> str:
        point = [self.arrays[f"axis_{i}"][index[i]] for i in range(self.dimension)]
        return named(self.coordinates, point)

    def _wrong(self, wrong: str, write: str) -> None:
        self.ledger.add(HERE, f"{self.file}: {wrong}", write)


def _negative_share(values: Array) -> float:
    """What setting negative eigenvalues to 0 moves, as a share of the whole trace."""
    whole = float(np.abs(values).sum())
    return float(-np.minimum(values, 0.0).sum()) / whole if whole > 0.0 else 0.0
