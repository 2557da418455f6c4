"""K inverted with relative accuracy however high the barriers are.

The matrix of an exit problem is nearly singular when the exit takes e^k times longer than anything else, and a direct
solve loses k nats of its digits; that of a stationary state is singular. Both are cured by pins: one node in each well
is taken out, and what is left has no slow time any more. Solutions of the rest with a pin at 1 give the rates of a
small chain on the pins,

    S_pq = (K^T y_p)_q,     y_p = 1 at p, 0 at the other pins and on the exit set, (K^T y_p) = 0 elsewhere,

each as a sum of what is carried there, and its row sums as what is carried to the exit set. The chain is solved without
a subtraction, and everything else follows from it:

    K u = b      u = z + sum_q g_q u_q,     S u_p = b_p + y_p . b
    K^T h = b    h = z + sum_p y_p h_p,     S^T h_p = b_p + g_p . b

with z the solution that is 0 at the pins and g_q the backward companions of y_q (probabilities to hit q first).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.chain import Chain
from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.generator.quadrature import owned_vector
from fpsolver.linalg import SolveCount

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Pinned:
    """The restriction of K to the nodes that are not fixed, ready to be inverted. All methods are collective.

    Args:
        generator: The pair (K, M).
        fixed: Owned nodes where u = 0, (owned,); none for a stationary problem.
        pins: Points near whose nodes K is pinned, (m, d); the first one should be the deepest.
        name: Of the solver, for messages and PETSc options.
        count: Where work is counted.
        transposed: Factorise the explicit transpose instead, as an independent check.
        leaks: K 1 where nothing is fixed, which is what drift carries out through a boundary; None: 0.
    """

    def __init__(
        self,
        generator: Generator,
        fixed: Bools,
        pins: Array,
        name: str,
        count: SolveCount,
        *,
        transposed: bool = False,
        leaks: PETSc.Vec | None = None,
    ) -> None:
        self.generator = generator
        self._leaks = leaks
        self._fixed = fixed
        self._transposed = transposed
        self._start = generator.space.dofmap.index_map.local_range[0]
        self._pins = _nearest(generator, fixed, pins)
        self._own = [
            (i, node - self._start) for i, node in enumerate(self._pins) if 0 <= node - self._start < len(fixed)
        ]
        rest = ~fixed
        rest[[node for _, node in self._own]] = False
        self._rest = np.flatnonzero(rest)
        nodes = PETSc.IS().createGeneral((self._rest + self._start).astype(PETSc.IntType), comm=generator.comm)
        matrix = generator.stiffness.createSubMatrix(nodes, nodes)
        if transposed:
            matrix.transpose()
        symmetric = generator.reversible and not transposed
        self._factors = inverse(generator, matrix, name, count, symmetric=symmetric, rows=self._rest)
        self._small = matrix.createVecRight()
        self.forward = [self._unit(pin, transposed=True) for pin in self._pins]
        self.backward = self.forward if symmetric else [self._unit(pin, transposed=False) for pin in self._pins]

    @property
    def pins(self) -> int:
        """Number of pins."""
        return len(self._pins)

    @cached_property
    def chain(self) -> Chain:
        """The chain on the pins."""
        carried = [self._image(vector, transposed=True) for vector in self.forward]
        rates = -np.array([self.at_pins(vector) for vector in carried])
        leaving = np.array([-self._on_exit(vector) for vector in carried])
        if self._leaks is not None:
            leaving += [float(vector.dot(self._leaks)) for vector in self.forward]
        return Chain(rates, leaving)

    def solve(self, rhs: PETSc.Vec, held: Array | None = None) -> PETSc.Vec:
        """u with K u = rhs where nothing is fixed, and u = 0 on the fixed nodes.

        Args:
            rhs: A functional.
            held: Values at the first pins, (s,), instead of the equations there.
        """
        return self._solved(rhs, self.forward, self.backward, held, transposed=False)

    def solve_apart(self, rhs: PETSc.Vec) -> tuple[float, PETSc.Vec]:
        """The solution u of K u = rhs, u = 0 on the fixed nodes, as a number and a vector whose sum it is.

        The number is u at the first pin, and the vector is small around it, so that derivatives there are not
        differences of large numbers. With e the probability to be fixed before any pin is hit,

            u - g_1 = z - g_1 e + sum_q (g_q - g_1) u_q.
        """
        free = rhs.copy()
        free.array[self._fixed] = 0.0
        values = self.chain.solve(np.asarray(free.mDot(self.forward)), None)
        apart = self._rest_solution(free, transposed=False)
        fixed = owned_vector(self.generator.space)
        fixed.array[self._fixed] = -1.0
        leaving = self._rest_solution(self._image(fixed, transposed=False), transposed=False)
        leaving.array[self._fixed] = 1.0
        apart.maxpy([-float(values[0]), *(values[1:] - values[0])], [leaving, *self.backward[1:]])
        return float(values[0]), apart

    def solve_transposed(self, rhs: PETSc.Vec, held: Array | None = None) -> PETSc.Vec:
        """h with K^T h = rhs; arguments as for `solve`."""
        return self._solved(rhs, self.backward, self.forward, held, transposed=True)

    def hitting_time(self) -> float:
        """Longest mean time to hit a pin or the exit set: what the process does between its slow jumps."""
        return float(self._rest_solution(self.generator.total, transposed=False).max()[1])

    def stationary(self) -> PETSc.Vec:
        """h with K^T h = 0, not normalised, where nothing is fixed."""
        return _combined(self.forward, self.chain.stationary(), None)

    def at_pins(self, vector: PETSc.Vec) -> Array:
        """The entries of a vector at the pins, (m,), on every rank."""
        values = np.zeros(len(self._pins))
        for i, node in self._own:
            values[i] = vector.array_r[node]
        return np.asarray(self.generator.comm.allreduce(values))

    def destroy(self) -> None:
        """Release the factors."""
        self._factors.destroy()

    def _solved(
        self,
        rhs: PETSc.Vec,
        tests: list[PETSc.Vec],
        trials: list[PETSc.Vec],
        held: Array | None,
        *,
        transposed: bool,
    ) -> PETSc.Vec:
        free = rhs.copy()
        free.array[self._fixed] = 0.0
        load = np.asarray(free.mDot(tests))
        inverse = self.chain.solve_transposed if transposed else self.chain.solve
        return _combined(trials, inverse(load, held), self._rest_solution(free, transposed=transposed))

    def _unit(self, pin: int, *, transposed: bool) -> PETSc.Vec:
        """1 at a pin, 0 at the others and on the exit set, in the kernel of K (of K^T) elsewhere."""
        unit = owned_vector(self.generator.space)
        local = pin - self._start
        here = 0 <= local < len(self._fixed)
        if here:
            unit.array[local] = -1.0
        vector = self._rest_solution(self._image(unit, transposed=transposed), transposed=transposed)
        if here:
            vector.array[local] = 1.0
        return vector

    def _image(self, vector: PETSc.Vec, *, transposed: bool) -> PETSc.Vec:
        image = vector.duplicate()
        matrix = self.generator.stiffness
        (matrix.multTranspose if transposed else matrix.mult)(vector, image)
        return image

    def _rest_solution(self, rhs: PETSc.Vec, *, transposed: bool) -> PETSc.Vec:
        """The solution at the nodes that are neither fixed nor pinned, 0 at those."""
        self._small.array[:] = rhs.array_r[self._rest]
        solution = self._factors.solve(self._small, transposed=transposed != self._transposed)
        vector = owned_vector(self.generator.space)
        vector.array[self._rest] = solution.array_r
        return vector

    def _on_exit(self, vector: PETSc.Vec) -> float:
        return float(self.generator.comm.allreduce(float(vector.array_r[self._fixed].sum())))


def _combined(vectors: list[PETSc.Vec], factors: Array, offset: PETSc.Vec | None) -> PETSc.Vec:
    total = vectors[0].duplicate() if offset is None else offset
    if offset is None:
        total.set(0.0)
    total.maxpy(list(factors), vectors)
    return total


def _nearest(generator: Generator, fixed: Bools, points: Array) -> list[int]:
    """Global numbers of the free nodes nearest to the points, each once."""
    space = generator.space
    start, size = space.dofmap.index_map.local_range[0], len(fixed)
    free = np.flatnonzero(~fixed)
    nodes = space.tabulate_dof_coordinates()[:size, : points.shape[1]][free]
    distance = np.linalg.norm(points[:, None] - nodes, axis=2) if len(free) else np.full((len(points), 1), np.inf)
    best = distance.argmin(axis=1)
    found = []
    for i, near in enumerate(best):
        mine = (float(distance[i, near]), int(start + free[near]) if len(free) else -1)
        found.append(generator.comm.allreduce(mine, MPI.MIN))
    return list(dict.fromkeys(node for _, node in found))
