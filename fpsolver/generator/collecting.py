"""A density together with what left it: one state with matrices of its own, whose kernel are the constants.

The unknowns of the density are followed, on the last rank, by b_p for each part of the boundary and, where something
comes in, by a source that stays what it is and a stock that it is taken from; see `fpsolver.generator.open_boundary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.open_boundary import OpenBoundary
from fpsolver.generator.quadrature import owned_vector
from fpsolver.linalg import Factorization, SolveCount

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """What has passed through the boundary.

    Attributes:
        absorbed: Mass that left through each part, (parts,).
        flux: The same per time, now, (parts,).
        entered: Mass that came in.
        takes: Through which parts something can leave.
        doubt: Mass per time that round-off of the matrix may carry in or out: slower escapes are not known.
    """

    absorbed: Array
    flux: Array
    entered: float
    takes: tuple[bool, ...]
    doubt: float


class CollectingGenerator(Generator):
    """The pair (K, M) of a density with its counters, for what carries it through time and for nothing else."""

    @cached_property
    def one(self) -> PETSc.Vec:
        """1 at all unknowns."""
        one = self.mass.createVecRight()
        one.set(1.0)
        return one

    @cached_property
    def total(self) -> PETSc.Vec:
        """M 1."""
        total = self.one.duplicate()
        self.mass.mult(self.one, total)
        return total


class Collecting:
    """The states of a density whose boundary is open. All methods are collective.

    Args:
        boundary: What leaves and what comes in.
        count: Where work is counted.
    """

    def __init__(self, boundary: OpenBoundary, count: SolveCount) -> None:
        self._boundary = boundary
        self._parts = len(boundary.closed)
        self._extras = self._parts + (0 if boundary.source is None else 2)
        generator = boundary.generator
        self._unit = float(generator.total.sum())  # of all further unknowns, so that they are about as large as h
        self._size = generator.one.getLocalSize()
        comm = generator.comm
        self._is_last = comm.rank == comm.size - 1
        stiffness, mass = self._stiffness(), self._mass()
        self.generator = CollectingGenerator(
            generator.space,
            stiffness,
            mass,
            generator.weight,
            generator.quadrature,
            generator.model,
            reversible=False,
        )
        self._factors = Factorization(mass, "mass", symmetric=True, count=count)
        self._counters = [self._counter(part) for part in range(self._parts)]
        self._rates = [self._rate(counter) for counter in self._counters]
        image = self.generator.one.duplicate()
        stiffness.mult(self.generator.one, image)
        self._defect = np.abs(image.array_r)

    def loaded(self, functional: PETSc.Vec, absorbed: Array, entered: float) -> PETSc.Vec:
        """The state whose density is given as a functional, after something has passed through the boundary.

        What the functional has on nodes where h = 0 is absorbed at once: a part of a cell, less on finer meshes.
        """
        closed = self._boundary.closed
        values = functional.array_r
        at_once = [float(part.sum()) for part in (np.where(mask, values, 0.0) for mask in closed)]
        extras = np.zeros(self._extras)
        extras[: self._parts] = absorbed + np.asarray(self.generator.comm.allreduce(np.array(at_once)))
        if self._extras > self._parts:
            extras[self._parts :] = 1.0, -entered
        load = self._extended(np.where(self._boundary.fixed, 0.0, values), extras)
        return self._factors.solve(load)

    def density(self, state: PETSc.Vec) -> PETSc.Vec:
        """h alone."""
        vector = owned_vector(self.generator.space)
        vector.array[:] = state.array_r[: self._size]
        return vector

    def further(self, state: PETSc.Vec) -> Array:
        """The unknowns after those of the density, on all ranks."""
        comm = self.generator.comm
        return np.asarray(comm.bcast(state.array_r[self._size :] if self._is_last else None, root=comm.size - 1))

    def restored(self, density: PETSc.Vec, further: Array) -> PETSc.Vec:
        """The state that consists of both."""
        return self._extended(density.array_r, further)

    def counted(self, state: PETSc.Vec) -> Counted:
        """What has passed through the boundary."""
        found = np.asarray(state.mDot([*self._counters, *self._rates])).reshape(2, -1)
        stock = state.array_r[-1] if self._is_last and self._extras > self._parts else 0.0
        entered = -self._unit * float(self.generator.comm.allreduce(float(stock)))
        doubt = self.generator.comm.allreduce(float(np.abs(state.array_r) @ self._defect))
        return Counted(found[0], found[1], entered, self._boundary.takes, doubt)

    def _counter(self, part: int) -> PETSc.Vec:
        """The functional b_p - 1_S . M h."""
        generator = self._boundary.generator
        there, image = owned_vector(generator.space), owned_vector(generator.space)
        there.array[:] = self._boundary.closed[part]
        generator.mass.mult(there, image)
        extras = np.zeros(self._extras)
        extras[part] = self._unit
        return self._extended(np.where(self._boundary.fixed, 0.0, -image.array_r), extras)

    def _rate(self, counter: PETSc.Vec) -> PETSc.Vec:
        """Its derivative in time, as the functional -K M^-1 of it."""
        rate = counter.duplicate()
        self.generator.stiffness.mult(self._factors.solve(counter), rate)
        rate.scale(-1.0)
        return rate

    def _extended(self, values: Array, extras: Array) -> PETSc.Vec:
        local = self._size + (self._extras if self._is_last else 0)
        vector = PETSc.Vec().createMPI((local, PETSc.DETERMINE), comm=self.generator.comm)
        vector.array[: self._size] = values
        if self._is_last:
            vector.array[self._size :] = extras
        return vector

    def _stiffness(self) -> PETSc.Mat:
        """T without the rows and columns of E, with a column per counter and, where needed, the rows of the source."""
        boundary, parts = self._boundary, self._parts
        start, columns, values = boundary.transport.getValuesCSR()
        rows = np.repeat(np.arange(len(start) - 1), np.diff(start))
        free = ~boundary.fixed
        part = self._part_of(columns)
        taken = free[rows] & (part >= 0)
        leaking = np.zeros((len(free), parts))
        np.add.at(leaking, (rows[taken], part[taken]), values[taken])
        leaking -= np.stack([out.array_r for out in boundary.outflow], axis=1)
        leaking[~free] = 0.0
        kept = np.where(free[rows] & (part < 0), values, 0.0)
        return self._assembled((rows, columns, kept), leaking, self._source_rows())

    def _source_rows(self) -> Array | None:
        """What a source of 1 over the unit brings: -source at the unknowns of this rank and of the counters."""
        boundary = self._boundary
        if boundary.source is None:
            return None
        values = boundary.source.array_r
        at_once = [float(values[mask].sum()) for mask in boundary.closed]
        absorbed = np.asarray(boundary.generator.comm.allreduce(np.array(at_once)))
        return -self._unit * np.concatenate(
            [np.where(boundary.fixed, 0.0, values), absorbed, [0.0, -boundary.entering]]
        )

    def _mass(self) -> PETSc.Mat:
        """M without the rows and columns of E, whose diagonal is what it is on average."""
        boundary = self._boundary
        start, columns, values = boundary.generator.mass.getValuesCSR()
        rows = np.repeat(np.arange(len(start) - 1), np.diff(start))
        fixed = boundary.fixed
        kept = np.where(~fixed[rows] & (self._part_of(columns) < 0), values, 0.0)
        first = boundary.generator.mass.getOwnershipRange()[0]
        kept[fixed[rows] & (columns == rows + first)] = self._unit / boundary.generator.unknowns
        return self._assembled((rows, columns, kept), None, None)

    def _part_of(self, columns: npt.NDArray[np.int32]) -> Ints:
        """The part that unknowns, numbered over all ranks, belong to as nodes of E; -1: none."""
        generator, closed = self._boundary.generator, self._boundary.closed
        own = owned_vector(generator.space)
        own.array[:] = np.where(closed.any(axis=0), closed.argmax(axis=0), -1)
        wanted, place = np.unique(columns, return_inverse=True)
        found = PETSc.Vec().createSeq(len(wanted))
        indices = PETSc.IS().createGeneral(wanted.astype(PETSc.IntType), comm=PETSc.COMM_SELF)
        scatter = PETSc.Scatter().create(own, indices, found, None)
        scatter.scatter(own, found, mode=PETSc.ScatterMode.FORWARD)
        return np.asarray(np.rint(found.array_r).astype(np.int64)[place])

    def _assembled(
        self,
        entries: tuple[Ints, npt.NDArray[np.int32], Array],
        leaking: Array | None,
        source: Array | None,
    ) -> PETSc.Mat:
        """A matrix with the further unknowns: of T where there is something in their columns and rows, else of M."""
        generator = self._boundary.generator
        first, last = generator.stiffness.getOwnershipRange()
        count = generator.unknowns
        further = count + np.arange(self._extras)
        rows, columns, values = [entries[0] + first], [entries[1].astype(np.int64)], [entries[2]]
        if leaking is not None:
            node, part = np.nonzero(leaking)
            rows, columns, values = [*rows, node + first], [*columns, count + part], [*values, leaking[node, part]]
        if self._is_last:
            rows, columns = [*rows, further], [*columns, further]
            values.append(np.full(self._extras, self._unit if leaking is None else 0.0))
        if source is not None:
            place = count + self._parts
            of_nodes = source[: self._size]
            rows.append(np.full(self._size, place))
            columns.append(np.arange(first, last))
            values.append(of_nodes)
            if self._is_last:
                rows.append(np.full(self._extras, place))
                columns.append(further)
                values.append(source[self._size :])
        matrix = PETSc.Mat().create(comm=generator.comm)
        local = self._size + (self._extras if self._is_last else 0)
        sizes = (local, count + self._extras)
        matrix.setSizes((sizes, sizes))
        matrix.setType(PETSc.Mat.Type.AIJ)
        matrix.setPreallocationCOO(
            np.concatenate(rows).astype(PETSc.IntType), np.concatenate(columns).astype(PETSc.IntType)
        )
        matrix.setValuesCOO(np.concatenate(values))
        return matrix

    def destroy(self) -> None:
        """Release the factors."""
        self._factors.destroy()
