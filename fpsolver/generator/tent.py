"""A function that is bent down inside of every cell and has a ridge on every facet.

T is zero at the vertices and a quadratic polynomial in each cell, so it is given by its values at the middles of the
edges. On Delaunay meshes |x|^2 minus its interpolation by planes is such a function, if not strictly. Here the values
are sought by least squares, so that all ridges of s T, s > 0 smooth, are as sharp as the cells allow:

    sum over sides of n . D grad(s T)  >=  s h sharpness        on all facets but those of the exit set, h their size.

s T turns the kinks of a finite element function, which have either sign, into ridges.
"""

from __future__ import annotations

from dataclasses import dataclass

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh
from scipy import sparse
from scipy.sparse import linalg

from fpsolver.domain.cells import Cells
from fpsolver.generator.pointwise import Element, FacetSamples
from fpsolver.model import Model

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FLATTEST = 0.2
"""Ridges less sharp than this, of those that were asked for, make no tent."""

PULL = 1e-5
"""Weight of a tent of usual height in the least squares, against ridges that are not sharp enough."""

ROUNDS = 60


@dataclass(frozen=True)
class Tent:
    """The function T.

    Attributes:
        element: Of degree 2.
        coefficients: (cells, basis functions).
    """

    element: Element
    coefficients: Array


def tent(
    domain: mesh.Mesh, model: Model, facets: FacetSamples, used: Bools, growth: Array, sharpness: Array
) -> Tent | None:
    """T on a mesh that is whole on one rank; None if its cells are too obtuse for the noise.

    Args:
        domain: The mesh.
        model: For D.
        facets: Samples at the vertices of the facets and between them.
        used: Facets that shall carry a ridge, (facets,).
        growth: n . D grad log s where there is one side, 0 inside, (facets, q).
        sharpness: That is wanted of the ridges, > 0, (facets,); neighbours must not differ much.
    """
    d, cells = domain.topology.dim, Cells.of(domain)
    element = basix.create_element(basix.ElementFamily.P, domain.basix_cell(), 2, basix.LagrangeVariant.gll_warped)
    edges = _edges(domain)
    count, q = int(edges.max()) + 1, growth.shape[1]
    centre = cells.points(np.full((1, d), 1.0 / (d + 1)))[:, 0]
    noise = np.trace(model(centre).diffusion, axis1=1, axis2=2) / d
    wanted = sharpness[facets.of_cells].max(axis=1)
    height = np.zeros(count)
    np.maximum.at(height, edges.ravel(), np.repeat(wanted * cells.diameters**2 / noise, edges.shape[1]))
    rows, columns, values = [], [], []
    for numbers, owners, kinks in facets.basis_kinks(element, growth):
        here = used[numbers]
        row = numbers[here, None] * q + np.arange(q)
        of_edges = kinks[here][:, :, d + 1 :]
        rows.append(np.broadcast_to(row[:, :, None], of_edges.shape).ravel())
        columns.append(np.broadcast_to(edges[owners[here]][:, None, :], of_edges.shape).ravel())
        values.append(-of_edges.ravel())
    place = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csr_array((np.concatenate(values), place), shape=(len(used) * q, count))
    matrix = sparse.diags_array(1.0 / np.repeat(facets.size * sharpness, q)) @ matrix @ sparse.diags_array(height)
    matrix = matrix[np.repeat(used, q)]
    found = _sharp(sparse.csr_array(matrix))
    if not (matrix @ found).min(initial=np.inf) >= FLATTEST:  # not a number where the least squares failed
        return None
    coefficients = np.zeros((len(edges), element.dim))
    coefficients[:, d + 1 :] = -(found * height)[edges]
    return Tent(element, coefficients)


def _sharp(matrix: sparse.csr_array) -> Array:
    """x with matrix x >= 1 as far as possible: Newton's method for the squares of what is missing."""
    usual = np.full(matrix.shape[1], 0.25)

    def missing(x: Array) -> float:
        return float((np.maximum(1.0 - matrix @ x, 0.0) ** 2).sum() + PULL * ((x - usual) ** 2).sum())

    x, before = usual, None
    for _ in range(ROUNDS):
        short = matrix @ x < 1.0
        if before is not None and (short == before).all():
            break
        before, active = short, matrix[short]
        system = sparse.csc_array(active.T @ active + PULL * sparse.eye_array(len(x)))
        step = linalg.spsolve(system, active.T @ np.ones(active.shape[0]) + PULL * usual) - x
        share = 1.0
        while missing(x + share * step) > missing(x) and share > 1e-3:
            share /= 2.0
        x = x + share * step
    return np.asarray(x)


def _edges(domain: mesh.Mesh) -> npt.NDArray[np.int64]:
    """Numbers of the edges of each cell, in the order of the nodes of degree 2, (cells, edges per cell)."""
    topology, d = domain.topology, domain.topology.dim
    if d == 1:
        return np.arange(topology.index_map(1).size_local)[:, None]
    topology.create_entities(1)
    topology.create_connectivity(d, 1)
    return np.asarray(topology.connectivity(d, 1).array.reshape(-1, d * (d + 1) // 2), dtype=np.int64)
