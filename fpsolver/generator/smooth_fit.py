"""A smooth potential from values that are known well where mass is and badly elsewhere: a penalised tensor spline.

    minimise  sum_i m_i (S(x_i) - y_i)^2 + roughness * integral of |grad^3 S|^2          over splines S

in coordinates that run from 0 to 1 along each side of a box, with m_i the mass at x_i. The penalty vanishes for
quadratics: Gaussian densities are met exactly however large it is, and where nothing is known the potential goes on as
a quadratic (Silverman 1982, for densities that are estimated from samples).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, NdBSpline
from scipy.linalg import cho_factor, cho_solve

Array = npt.NDArray[np.float64]

PATCHES = {1: 48, 2: 24, 3: 8}
"""Patches of the spline along each axis, by dimension."""

DEGREE = {1: 5, 2: 5, 3: 4}
SAMPLES = {1: 6, 2: 4, 3: 3}
"""Gauss points in a patch along each axis."""

REGULAR = 1e-15
"""Share of the mean diagonal that is added to it, so that round-off does not make the matrix indefinite."""


def sample_points(lower: Sequence[float], upper: Sequence[float]) -> tuple[Array, Array]:
    """Where the values have to be known: points (n, d) of a box and their quadrature weights (n,)."""
    d = len(lower)
    nodes, weights = _gauss(d)
    axes = [low + (high - low) * nodes.ravel() for low, high in zip(lower, upper, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    volumes = reduce(np.multiply.outer, [np.tile(weights, PATCHES[d]) / PATCHES[d]] * d).ravel()
    return points, volumes * float(np.prod(np.subtract(upper, lower)))


def smooth_fit(values: Array, masses: Array, dimension: int, roughness: float) -> Array:
    """Coefficients of the spline that follows values with the trust that masses give them; see `spline_of`.

    Args:
        values: y at the points of `sample_points`, finite, (n,).
        masses: m there, not negative, sum 1, (n,); 0 where nothing is known.
        dimension: Of the box.
        roughness: Price of third derivatives.
    """
    d = dimension
    patches, samples, order = PATCHES[d], SAMPLES[d], DEGREE[d] + 1
    middle = float(masses @ values)
    normal = roughness * _penalty(d)
    # (patch, sample): axis by axis the data are ordered by patches and samples in turn
    shape = tuple(itertools.chain.from_iterable((patches, samples) for _ in range(d)))
    turn = (*range(0, 2 * d, 2), *range(1, 2 * d, 2))
    trust = masses.reshape(shape).transpose(turn).reshape(patches**d, samples**d)
    wanted = (values - middle).reshape(shape).transpose(turn).reshape(patches**d, samples**d)
    basis, first = _patch_basis(d)
    count = patches + order - 1
    # per patch the values of its products of B-splines, and their places among all of them
    local = np.ones((1, 1, 1))
    place = np.zeros((1, 1), dtype=np.int64)
    for _ in range(d):
        local = np.einsum("psb,qtc->pqstbc", local, basis)
        local = local.reshape(-1, local.shape[2] * samples, local.shape[4] * order)
        axis = first[:, None] + np.arange(order)
        place = (count * place[:, None, :, None] + axis[None, :, None, :]).reshape(len(local), -1)
    gram = np.matmul(local.transpose(0, 2, 1), trust[:, :, None] * local)
    load = np.matmul(local.transpose(0, 2, 1), (trust * wanted)[:, :, None])[:, :, 0]
    np.add.at(normal, (place[:, :, None], place[:, None, :]), gram)
    rhs = np.bincount(place.ravel(), load.ravel(), minlength=count**d)
    normal[np.diag_indices_from(normal)] += REGULAR * float(np.trace(normal)) / len(normal)
    return np.asarray(middle + cho_solve(cho_factor(normal, overwrite_a=True), rhs).reshape((count,) * d))


def spline_of(coefficients: Array, lower: Sequence[float], upper: Sequence[float]) -> NdBSpline:
    """The spline with given coefficients on a box."""
    d = len(lower)
    knots = [low + (high - low) * _knots(d) for low, high in zip(lower, upper, strict=True)]
    return NdBSpline(tuple(knots), coefficients, DEGREE[d])


def _gauss(d: int) -> tuple[Array, Array]:
    """Gauss points of all patches on [0, 1], (patches, samples), and the weights in one patch, sum 1."""
    nodes, weights = np.polynomial.legendre.leggauss(SAMPLES[d])
    return (np.arange(PATCHES[d])[:, None] + (nodes + 1.0) / 2.0) / PATCHES[d], weights / 2.0


def _knots(d: int) -> Array:
    ends = DEGREE[d]
    return np.concatenate([np.zeros(ends), np.linspace(0.0, 1.0, PATCHES[d] + 1), np.ones(ends)])


def _patch_basis(d: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """In one dimension: B-splines at the samples of each patch, (patches, samples, order), and which is the first."""
    nodes, _ = _gauss(d)
    matrix = BSpline.design_matrix(nodes.ravel(), _knots(d), DEGREE[d]).toarray()
    first = np.arange(PATCHES[d])
    inside = first[:, None] + np.arange(DEGREE[d] + 1)
    rows = matrix.reshape(PATCHES[d], SAMPLES[d], -1)
    return np.take_along_axis(rows, inside[:, None, :], axis=2), first


def _penalty(d: int) -> Array:
    """Integral of |grad^3 S|^2 as a quadratic form of the coefficients."""
    degree, knots = DEGREE[d], _knots(d)
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)
    points = ((np.arange(PATCHES[d])[:, None] + (nodes + 1.0) / 2.0) / PATCHES[d]).ravel()
    volumes = np.tile(weights / 2.0, PATCHES[d]) / PATCHES[d]
    spline = BSpline(knots, np.eye(len(knots) - degree - 1), degree)
    grams = [(table.T * volumes) @ table for table in (spline.derivative(order)(points) for order in range(4))]
    total: Array = np.zeros((1, 1))
    for orders in itertools.product(range(4), repeat=d):
        if sum(orders) == 3:
            share = math.factorial(3) / math.prod(math.factorial(order) for order in orders)
            total = total + share * reduce(np.kron, [grams[order] for order in orders])
    return np.asarray(total)
