"""Whether a process can stay in a region for ever, and why.

A mean exit time is infinite from where a path is caught, at a trap or in a part without a way out, with a positive
probability p:  K p = 0,  p = 1 where paths are caught,  p = 0 on the exit set. In one dimension the exact analysis of
the coefficients decides, and p is only reported; in more dimensions p decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.case import Exit
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.model.degeneracy import traps
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.reach.connections import parts_of
from fpsolver.problems.reach.holds import SAME, Hold, LineHolds, holds_in_space, owned_nodes, traps_off
from fpsolver.problems.wording import chance, tuple_of

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CERTAIN = 1e-6
"""Lowest probability, as far as elements resolve it, to be caught where paths are known to be held."""

MOST_CAUSES = 3

UNDECIDED = 1e-3
"""The same where a trap only may hold paths: the node that stands for one that does not is hit by chance."""


@dataclass(frozen=True)
class Trapped:
    """What keeps a process inside.

    Attributes:
        everywhere: The mean time is infinite from everywhere.
        reason: Why, where it is.
        probability: p(x), the probability never to leave; None where it is 0 everywhere, or 1.
        held: Owned nodes where paths are caught for ever. Where K is inverted for the finite times of other starts,
            these nodes belong to the fixed ones: without a way out K is singular there.
    """

    everywhere: bool
    reason: str | None
    probability: PETSc.Vec | None
    held: Bools
    _generator: Generator
    _holds: Sequence[Hold] = ()
    _shares: Sequence[PETSc.Vec] = ()
    _line: LineHolds | None = None

    @property
    def lingers(self) -> str | None:
        """Why the law of infinite times is not known: near such places paths stay longer than any mesh can tell."""
        causes = [hold.cause for hold in self._holds if hold.lingers]
        return f"{causes[0]}, and how long paths linger near is beyond the mesh" if causes else None

    def reason_at(self, start: PETSc.Vec) -> str | None:
        """Why the time from a start (a functional of unit mass) is infinite; None where it is finite. Collective."""
        if not self._holds:
            return self.reason
        point, spread = self._where(start)
        name = tuple_of(point) if spread is None else "the initial density"
        size = float(np.ptp(owned_nodes(self._generator), axis=0).max(initial=0.0))
        size = self._generator.comm.allreduce(size, MPI.MAX)
        shares = [float(share.dot(start)) for share in self._shares]
        for hold in self._holds:
            if spread is None and len(hold.points) and np.linalg.norm(hold.points - point, axis=1).min() < SAME * size:
                return f"{hold.cause}, so a path from {name} never moves"
        if self._line is not None:
            caught = self._line.reached(point if spread is None else spread)
        else:
            caught = [i for i, hold in enumerate(self._holds) if shares[i] > (CERTAIN if hold.certain else UNDECIDED)]
        if not caught:
            return None
        most = max(caught, key=lambda i: shares[i])
        return _told(self._holds[most], name, shares[most])

    def _where(self, start: PETSc.Vec) -> tuple[Array, Array | None]:
        """The middle of a start, and in one dimension the nodes of a density; no nodes for a point."""
        comm, nodes, values = self._generator.comm, owned_nodes(self._generator), start.array_r
        middle = np.asarray(comm.allreduce(values @ nodes))
        used = np.abs(values) > 1e-9 * comm.allreduce(float(np.abs(values).max(initial=0.0)), MPI.MAX)
        if comm.allreduce(int(used.sum())) <= self._generator.quadrature.dofs.shape[1]:
            return middle, None
        return middle, np.concatenate(comm.allgather(nodes[used, 0]))


def trapped(setting: Setting, wanted: Exit, problem: Killed) -> Trapped:
    """What keeps a process in the region of an exit. Collective."""
    generator, fixed, names = problem.generator, problem.fixed, setting.case.coordinates
    nothing = np.zeros_like(fixed)
    if not generator.comm.allreduce(bool(fixed.any()), MPI.LOR):
        never = f"nothing leads out of the region {wanted.region}: all of its boundary reflects"
        return Trapped(True, never, None, nothing, generator)
    if (generator.model.constant_scalar_diffusion or 0.0) > 0.0:
        return Trapped(False, None, None, nothing, generator)
    line = None
    if len(names) == 1:
        line = LineHolds(generator, fixed, names[0])
        holds, everywhere = line.holds, line.everywhere
    else:
        every = setting.of_model.once(
            ("traps", wanted.region),
            lambda: traps(generator.model, problem.lower, problem.upper, problem.inside),
        )
        found = traps_off(generator, fixed, every)
        parts = parts_of(generator, [trap.point for trap in found if trap.attracting], fixed)
        if not generator.comm.allreduce(bool(parts.leaves.any()), MPI.LOR):
            never = f"neither noise nor drift carries a path through the boundary of the region {wanted.region}"
            return Trapped(True, never, None, nothing, generator)
        holds = holds_in_space(generator, found, parts, names)
        everywhere = bool(generator.comm.allreduce(bool(parts.caught.all()), MPI.LAND))
    if not holds:
        return Trapped(False, None, None, nothing, generator)
    held = np.logical_or.reduce([hold.nodes for hold in holds])
    reached = [hold for hold in holds if generator.comm.allreduce(bool(hold.nodes.any()), MPI.LOR)]
    reason = (
        f"{_listed(reached)}, so the mean time is infinite from everywhere in {wanted.region}" if everywhere else None
    )
    shares = _shares(problem, holds, held)
    return Trapped(everywhere, reason, _total(shares) if reached else None, held, generator, holds, shares, line)


def _listed(holds: Sequence[Hold]) -> str:
    more = f", and {len(holds) - MOST_CAUSES} more" if len(holds) > MOST_CAUSES else ""
    return "; ".join(hold.cause for hold in holds[:MOST_CAUSES]) + more


def _shares(problem: Killed, holds: Sequence[Hold], held: Bools) -> list[PETSc.Vec]:
    """For each hold the probability to end there."""
    generator = problem.generator
    stuck = problem.fixed | held
    inverse: Pinned | None = None
    if not generator.comm.allreduce(bool(stuck.all()), MPI.LAND) and generator.comm.allreduce(
        bool(held.any()), MPI.LOR
    ):
        inverse = Pinned(generator, stuck, problem.pins, "trap", SolveCount())
    shares = []
    for hold in holds:
        share = generator.one.duplicate()
        share.array[:] = hold.nodes
        if inverse is not None and share.max()[1] > 0.0:
            load = share.duplicate()
            generator.stiffness.mult(share, load)
            load.scale(-1.0)
            share.axpy(1.0, inverse.solve(load))
        shares.append(share)
    if inverse is not None:
        inverse.destroy()
    return shares


def _total(shares: Sequence[PETSc.Vec]) -> PETSc.Vec:
    total = shares[0].copy()
    for share in shares[1:]:
        total.axpy(1.0, share)
    return total


def _told(hold: Hold, start: str, share: float) -> str:
    if hold.lingers:
        return f"{hold.cause}, and paths from {start} stay near so long that the mean time is infinite"
    if len(hold.points):
        return f"{hold.cause}, so a path from {start} is caught there {chance(share)} and never leaves"
    return f"{hold.cause}; a path from {start} stays there for ever {chance(share)}"
