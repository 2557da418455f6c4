"""How a matrix of a generator is inverted: by its factors where they fit into memory, otherwise by multigrid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import owned_vector
from fpsolver.linalg import Factorization, Multigrid, SolveCount, Solver, preconditioner_asked
from fpsolver.solvers import LARGEST_FACTORS

EXACT = 1e-12


def inverse(
    generator: Generator,
    matrix: PETSc.Mat,
    name: str,
    count: SolveCount,
    *,
    symmetric: bool,
    rows: npt.NDArray[np.integer] | None = None,
) -> Solver:
    """A matrix made ready to be solved with. Collective.

    The size decides, unless the user did with ``-<name>_pc_type``: ``mg`` for multigrid, ``lu`` or ``cholesky`` for
    factors, and whatever else PETSc has.

    Args:
        generator: What the matrix was made of.
        matrix: Square, of the unknowns in ``rows``.
        name: Of the solver, for messages and PETSc options.
        count: Where work is counted.
        symmetric: Whether the matrix is.
        rows: Which of this rank's own degrees of freedom the matrix has, in order; None: all of them.
    """
    asked = preconditioner_asked(name)
    large = matrix.getSize()[0] > LARGEST_FACTORS[generator.space.mesh.topology.dim]
    owned = generator.space.dofmap.index_map.size_local
    ours = matrix.getLocalSize()[0] == (owned if rows is None else len(rows))
    suits = generator.comm.allreduce(int(not ours)) == 0  # False where the matrix has unknowns beyond the mesh
    if suits and (asked == "mg" or (asked is None and large)):
        return Multigrid(matrix, from_vertices(generator, rows), name, symmetric=symmetric, count=count)
    return Factorization(matrix, name, symmetric=symmetric, count=count)


def from_vertices(generator: Generator, rows: Sequence[int] | npt.NDArray[np.integer] | None) -> PETSc.Mat:
    """Interpolation from the elements of degree 1 to the unknowns in the rows, at whose vertices it is exact."""
    space = generator.space
    linear = fem.functionspace(space.mesh, ("Lagrange", 1))
    whole = fem_petsc.interpolation_matrix(linear, space)
    whole.assemble()
    if rows is None:
        return whole
    start, columns, values = whole.getValuesCSR()
    at_vertices = whole.copy()
    at_vertices.setValuesCSR(start, columns, (np.abs(values - 1.0) < EXACT).astype(float))
    at_vertices.assemble()
    present, kept = owned_vector(space), owned_vector(linear)
    present.array[rows] = 1.0
    at_vertices.multTranspose(present, kept)
    nodes, vertices = (
        PETSc.IS().createGeneral((local + vector.getOwnershipRange()[0]).astype(PETSc.IntType), comm=generator.comm)
        for local, vector in ((np.asarray(rows), present), (np.flatnonzero(kept.array_r > 0.5), kept))
    )
    return whole.createSubMatrix(nodes, vertices)
