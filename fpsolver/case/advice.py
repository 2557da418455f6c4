"""Advice before a run: how large it is, and whether its cells resolve what the formulas do. Sampled, without a mesh."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.fields import affordable, at_points, diffusion_fields, loss_fields
from fpsolver.case.sampling import random_points
from fpsolver.case.sections import Box, Case

Array = NDArray[np.float64]

RANK_UNKNOWNS = 60_000  # unknowns that keep one rank busy
DEEP = 25.0  # nats above the minimum beyond which a density weighs nothing
NATS = {1: 1.0, 2: 2.0, 3: 5.0}  # nats per cell that a degree resolves; 10 from degree 4 on


@dataclass(frozen=True)
class Advice:
    """One line of advice.

    Attributes:
        what: Name of the quantity.
        text: The line.
        warning: True where something should be changed; the text says which key.
    """

    what: str
    text: str
    warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.warning else self.text


def unknowns(box: Box, degree: int) -> int:
    """Number of unknowns of Lagrange elements of a degree on the simplices of a box.

    Splitting rectangles in two, or cuboids in six, puts the nodes on a lattice of ``degree * cells`` steps; crossed
    diagonals add one vertex, four edges and four triangles to each rectangle.
    """
    if box.diagonal != "crossed" or box.dimension != 2:
        return math.prod(degree * count + 1 for count in box.cells)
    nx, ny = box.cells
    vertices = (nx + 1) * (ny + 1) + nx * ny
    edges = nx * (ny + 1) + ny * (nx + 1) + 4 * nx * ny
    return vertices + edges * (degree - 1) + 4 * nx * ny * (degree - 1) * (degree - 2) // 2


def factor_bytes(count: int, dimension: int, symmetric: bool) -> float:
    """Memory of one MUMPS factorisation: N log N in 2-D, N^(4/3) in 3-D by nested dissection.

    Calibrated in 2-D with 249,841 unknowns of degree 4 (1.63 GB for LU, 0.90 GB for LDLT), and in 3-D with 68,921 of
    degree 2 (0.57 GB for LU).
    """
    if dimension == 1:
        size = 600.0 * count
    elif dimension == 2:
        size = 365.0 * count * math.log2(count + 1)
    else:
        size = 200.0 * count ** (4 / 3)
    return size * (0.55 if symmetric else 1.0)


def suggested_ranks(case: Case, cores: int) -> int:
    """A sensible number of ranks: one per 60,000 unknowns, at least 1, at most ``cores``."""
    count = unknowns(case.domain, case.discretization.degree)
    return max(1, min(cores, round(count / RANK_UNKNOWNS)))


def summary(case: Case) -> str:
    """The case in one line, such as ``2-D box, 160 x 120 cells, degree 4, 308,321 unknowns``."""
    box, degree = case.domain, case.discretization.degree
    cells = " x ".join(str(count) for count in box.cells)
    return f"{box.dimension}-D box, {cells} cells, degree {degree}, {unknowns(box, degree):,} unknowns"


def advise(case: Case) -> list[Advice]:
    """Size, memory and resolution of a case; warnings name the key to change."""
    lines = [_memory(case)]
    if case.loss is not None or case.drift is not None:
        with np.errstate(all="ignore"):
            lines += _resolution(case)
    lines += _initial_width(case)
    if not (case.evolution or case.stationary or case.exits or case.committors):
        lines.append(Advice("request", "the case asks for nothing to be solved: add [evolution]", True))
    return lines


def _memory(case: Case) -> Advice:
    box = case.domain
    count = unknowns(box, case.discretization.degree)
    reversible = case.drift is None and case.noise.shape == "scalar"
    size = factor_bytes(count, box.dimension, reversible)
    kind = "LDLT" if reversible else "LU"
    text = f"{count:,} unknowns, about {_bytes(size)} for one {kind} factorisation"
    if size < 8e9:
        return Advice("unknowns", text)
    return Advice("unknowns", f"{text}: fewer domain.cells, or more ranks on more nodes", True)


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _resolution(case: Case) -> list[Advice]:
    """Péclet number, layer width and nats per cell, at the points that carry mass."""
    names, d = case.coordinates, case.dimension
    points = affordable(random_points(case.domain, 2000 if case.data is None else 400), case.data)
    loss = None if case.loss is None else loss_fields(case.loss, case.data, names, points)
    drift = np.zeros((len(points), d)) if loss is None else loss.gradient
    jacobian = np.zeros((len(points), d, d)) if loss is None else loss.hessian
    if case.drift is not None:
        drift = drift - at_points(case.drift, names, points).T
        slopes = [extra.derivative(name) for extra in case.drift for name in names]
        jacobian = jacobian - at_points(slopes, names, points).T.reshape(-1, d, d)
    tensor, divergence = diffusion_fields(case.noise, loss, names, points)
    largest = _eigenvalues(tensor)[:, -1]
    if not largest.max() > 0:
        return [Advice("noise", "D is 0 at every point tried: the dynamics is deterministic")]
    scalar = _constant_scalar(case)
    carries = np.ones(len(points), dtype=bool)
    if loss is not None and scalar is not None:
        carries = loss.value - np.nanmin(loss.value) <= DEEP * scalar
    sizes = np.array(case.domain.cell_sizes)
    across = np.abs(drift + divergence) @ sizes  # |a| h, with h the size of the cell along a
    peclet = np.where(largest > 0, across / (2 * largest), np.inf)[carries]
    lines = [
        Advice(
            "peclet",
            f"cell Péclet number |a| h/(2 lmax(D)): median {np.median(peclet):.3g}, largest {np.max(peclet):.3g}",
        )
    ]
    steepest = float(np.abs(_eigenvalues((jacobian + jacobian.transpose(0, 2, 1)) / 2))[carries].max())
    width = math.sqrt(float(np.median(largest[carries])) / steepest) if steepest > 0 else 0.0
    if width > 0:
        lines.append(_layer(case, width))
    if loss is not None and scalar is not None:
        across = np.abs(loss.gradient) @ sizes
        lines.append(_nats(case, float(across[carries].max()) / scalar))
    return lines


def _eigenvalues(tensors: Array) -> Array:
    """(n, d) ascending eigenvalues; 0 where a tensor is not finite."""
    finite = np.isfinite(tensors).all(axis=(1, 2), keepdims=True)
    return np.asarray(np.linalg.eigvalsh(np.where(finite, tensors, 0.0)))


def _constant_scalar(case: Case) -> float | None:
    """d where D = d I with one number d > 0 and the drift is a gradient: then -log of the stationary density is f/d."""
    matrix = case.noise.diffusion if case.noise.kind == "diffusion" else case.noise.covariance
    if case.drift is not None or not isinstance(matrix, tuple) or case.noise.shape != "scalar":
        return None
    number = matrix[0][0].value
    scalar = None if number is None else case.noise.scale * number + case.noise.regularization
    return scalar if scalar is not None and scalar > 0 else None


def _finer(case: Case, factor: float) -> str:
    """The key that makes cells smaller by a factor."""
    factor = min(factor, 1e5) if math.isfinite(factor) else 1e5  # not finite where D is almost 0
    counts = [min(100_000, math.ceil(count * factor)) for count in case.domain.cells]
    return f"domain.cells = {counts}"


def _layer(case: Case, width: float) -> Advice:
    """The width over which the density varies near steep curvature, against the spacing of the nodes."""
    spacing = max(case.domain.cell_sizes) / case.discretization.degree
    text = f"layer width sqrt(D/lambda) {width:.3g}, spacing of nodes {spacing:.3g}"
    if spacing <= width:
        return Advice("layer", text)
    return Advice("layer", f"{text}: the layer is not resolved; write {_finer(case, spacing / width)} or more", True)


def _nats(case: Case, nats: float) -> Advice:
    """How much the potential varies across one cell, against what the degree resolves."""
    degree = case.discretization.degree
    limit = NATS.get(degree, 10.0)
    text = f"potential across a cell: up to {nats:.3g} nats (degree {degree} resolves {limit:g})"
    if nats <= limit:
        return Advice("nats", text)
    return Advice("nats", f"{text}; write {_finer(case, nats / limit)}, or a higher discretization.degree", True)


def _initial_width(case: Case) -> list[Advice]:
    """A narrow initial density needs nodes closer than its standard deviation."""
    std = None if case.evolution is None else case.evolution.initial.std
    if std is None:
        return []
    widths = np.broadcast_to(np.array(std), (case.dimension,))
    spacings = np.array(case.domain.cell_sizes) / case.discretization.degree
    worst = int(np.argmax(spacings / widths))
    ratio = float(spacings[worst] / widths[worst])
    name = case.coordinates[worst]
    text = (
        f"initial density: standard deviation {widths[worst]:.3g} along {name}, spacing of nodes {spacings[worst]:.3g}"
    )
    if ratio <= 1.0:
        return [Advice("initial", text)]
    return [Advice("initial", f"{text}: it is not resolved; write {_finer(case, ratio)}", True)]
